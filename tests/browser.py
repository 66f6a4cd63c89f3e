"""What the tests of the page share: the browser, a page in it, and a graph."""

import shutil

from autograd import Value, maximum, trace_source

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


class Page:
    """A page of the browser, with what it logged and asked for."""

    def __init__(self, page, url):
        self.page, self.url, self.errors, self.requests = page, url, [], []
        page.on("console", lambda message: self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: (self.errors.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(url)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def step(self):
        return int(self.page.text_content(".count").split("/")[0])

    def texts(self, kind):
        """What the cards show, by node."""
        cards = "[...document.querySelectorAll('.node')]"
        script = f"(kind) => {cards}.map(g => g.querySelector('.number.' + kind)?.textContent)"
        shown = self.page.evaluate(script, kind)
        order = self.page.evaluate(f"{cards}.map(g => Number(g.dataset.node))")
        return [text for _, text in sorted(zip(order, shown, strict=True))]

    def say(self):
        return self.page.text_content(".say")

    def equation(self):
        return self.page.text_content(".equation")


def example():
    with trace_source():
        a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(6.5, label="c")
        p = a * b
        p.label = "p"
        y = (p + c).tanh() * a - (b.relu() + maximum(a, c))
        y.label = "L"
    return y
