"""`python -m autograd course`: runs all notebooks and writes them as a site of static pages."""

import argparse
import asyncio
import functools
import hashlib
import os
import re
import sys
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from tqdm import tqdm

import nn

from ..files import write_file
from .pages import Around, Neighbour, first_page, nbformat, page, title_of

SECONDS = 600
"""For one cell."""
RAN = ".ran"
"""The folder beside the pages that keeps notebooks with their outputs, so that only what has changed runs again."""


class Chapter(NamedTuple):
    """A notebook of the course."""

    path: Path
    title: str
    digest: str
    """Of the notebook, of Python files beside it and of this package, on which its outputs depend."""

    @property
    def name(self) -> str:
        """The name of its page."""
        return self.path.stem


def main(arguments: list[str]) -> None:
    """Runs notebooks and writes the site; exits with 1 if one of them ends in an error."""
    parser = argparse.ArgumentParser(
        prog="python -m autograd course",
        description="Runs all notebooks of a folder and writes them as pages that open anywhere, without a server.",
        epilog="example: python -m autograd course -o build/course, then open build/course/index.html",
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("notebooks"), help="default: %(default)s")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="of the pages")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these notebooks alone, such as 03")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at the same time (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error("--jobs is at least 1")
    if not (paths := sorted(options.folder.glob("*.ipynb"))):
        parser.error(f"no notebooks in {options.folder}; start this where that folder is, or name another one")
    if any(path.stem == "index" for path in paths):
        parser.error("index.ipynb has the name of the first page; give it another one")
    try:
        chapters = list(map(_chapter, paths))
        wanted = [c for c in chapters if not options.only or c.name.startswith(tuple(options.only))]
        if not wanted:
            parser.error(f"--only expected the beginning of a name, such as {chapters[0].name}")
        failed = _in_a_thread(build(chapters, wanted, options.output, options.jobs))
    except ImportError as error:
        parser.exit(1, f"{error}\n")
    except OSError as error:
        parser.exit(1, f"cannot write {error.filename}: {error.strerror}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\nstopped; the same command goes on with the notebooks that are missing\n")
    for text in failed:
        print(f"\n{text}", file=sys.stderr)
    written = sum((options.output / f"{chapter.name}.html").exists() for chapter in wanted)
    print(f"Pages: {written} of {len(wanted)}. Open {options.output / 'index.html'}")
    if failed:
        sys.exit(1)


def _in_a_thread(work: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Runs it to its end. Not in the main thread, where nbclient would take Ctrl-C for itself; that cancels it, and
    KeyboardInterrupt is raised when all kernels have ended.
    """
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = []

    async def main() -> list[str]:
        running.append((asyncio.get_running_loop(), asyncio.current_task()))
        return await work

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(asyncio.run, main())
        try:
            return done.result()
        except KeyboardInterrupt:
            for loop, task in running:
                if task is not None:
                    loop.call_soon_threadsafe(task.cancel)
            raise


async def build(chapters: Sequence[Chapter], wanted: Sequence[Chapter], output: Path, jobs: int) -> list[str]:
    """Runs those of the chapters that are wanted and have changed, and writes their pages and the first one. Returns a
    text for each that ended in an error. Raises OSError where nothing can be written, ImportError without nbconvert."""
    (output / RAN).mkdir(parents=True, exist_ok=True)
    free = asyncio.Semaphore(jobs)
    with tqdm(total=len(wanted), unit="notebook", disable=None) as shown:

        async def one(chapter: Chapter) -> str:
            text = await _run(chapter, output, free)
            shown.update()
            return text

        try:
            async with asyncio.TaskGroup() as group:  # where one is cancelled, all are, and their kernels end
                tasks = [group.create_task(one(chapter)) for chapter in wanted]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
    failed = [text for task in tasks if (text := task.result())]
    failed += _write_pages(chapters, wanted, output)
    return failed


def _write_pages(chapters: Sequence[Chapter], wanted: Sequence[Chapter], output: Path) -> list[str]:
    """Writes a page for each wanted notebook that has run as it is now, and the first one; returns what went wrong. A
    page leads to those that have run, and where there is none any more, the old one goes."""
    failed, folder = [], chapters[0].path.parent
    ran = {c: notebook for c in chapters if (notebook := _kept(output / RAN / c.path.name, c.digest))}
    order, home = [*ran], title_of(_map(chapters)) or folder.resolve().name
    there, pages = [Neighbour(c.name, c.title) for c in order], {c.name for c in ran}
    for chapter in wanted:
        file, text = output / f"{chapter.name}.html", ""
        if chapter in ran:
            i = order.index(chapter)
            around = Around(home, there[i - 1] if i else None, [*there, None][i + 1], pages, folder)
            try:
                text = page(ran[chapter], chapter.name, chapter.title, around)
            except ValueError as error:
                failed.append(f"{chapter.path} cannot be shown: {error}")
        if text:
            write_file(file, text.encode())
            write_file(output / chapter.path.name, chapter.path.read_bytes())
        else:
            file.unlink(missing_ok=True)
    try:
        write_file(output / "index.html", first_page(_map(chapters), Around(home, None, None, pages, folder)).encode())
    except ValueError as error:
        failed.append(f"{folder / 'README.md'} cannot be shown: {error}")
    return failed


async def _run(chapter: Chapter, output: Path, free: asyncio.Semaphore) -> str:
    """Runs one notebook, unless it has run as it is now, and keeps it; returns what went wrong."""
    kept = output / RAN / chapter.path.name
    if _kept(kept, chapter.digest) is None:
        async with free:
            try:
                notebook = await _executed(chapter)
            except Exception as error:  # of the notebook, of its kernel, or since it is none
                text = str(error) or type(error).__name__
                return re.sub(r"\x1b\[[\d;]*m", "", f"{chapter.path} did not run to its end.\n{text}")
        write_file(kept, nbformat().writes(notebook).encode())
    return ""


async def _executed(chapter: Chapter) -> Any:
    """The notebook with its outputs, from a kernel of its own. Raises nbclient's errors, ValueError for another
    language."""
    from nbclient import NotebookClient

    notebook = nbformat().read(chapter.path, as_version=4)
    language = notebook.metadata.get("kernelspec", {}).get("language", "python")
    if language.lower() != "python":
        raise ValueError(f"it is written in {language}; only notebooks in Python run here")
    folder = {"metadata": {"path": str(chapter.path.parent)}}
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=folder, record_timing=False)
    client.extra_arguments = ["--IPKernelApp.log_level=ERROR"]
    client.shutdown_kernel = "immediate"
    await client.async_execute()
    notebook.metadata["course"] = {"digest": chapter.digest}
    return notebook


def _kept(path: Path, digest: str) -> Any:
    """The notebook as it ran before, if nothing has changed since."""
    try:
        notebook = nbformat().read(path, as_version=4)
        return notebook if notebook.metadata["course"]["digest"] == digest else None
    except Exception:  # none, or no notebook any more
        return None


def _chapter(path: Path) -> Chapter:
    beside = b"".join(file.read_bytes() for file in sorted(path.parent.glob("*.py")))
    digest = hashlib.sha256(path.read_bytes() + beside + _sources()).hexdigest()
    try:
        cells = nbformat().read(path, as_version=4).cells
        title = title_of("\n".join(cell.source for cell in cells[:1] if cell.cell_type == "markdown"))
    except ImportError:
        raise
    except Exception:  # told when it is run
        title = ""
    return Chapter(path, title or path.stem, digest)


@functools.cache
def _sources() -> bytes:
    """A digest of this package, on which all outputs depend."""
    folders = (Path(__file__).parents[1], Path(nn.__file__).parent)
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".js", ".html"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).digest()


def _map(chapters: Sequence[Chapter]) -> str:
    """The text of the first page: that of the folder, or a list."""
    path = chapters[0].path.with_name("README.md")
    titles = [re.sub(r"([\\`*_{}\[\]<>#$&])", r"\\\1", c.title) for c in chapters]
    listed = "\n".join(f"1. [{title}]({quote(c.path.name)})" for title, c in zip(titles, chapters, strict=True))
    if path.exists():
        return path.read_text(encoding="utf-8", errors="replace")
    return f"# {path.parent.resolve().name}\n\n{listed}\n"
