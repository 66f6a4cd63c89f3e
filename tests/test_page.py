"""The step-through page in a real browser: numbers, keys, slider, quiz, dark mode; nothing executes, nothing is asked
for from elsewhere."""

import json

import pytest
from browser import CHROMIUM, Page, example

import autograd
from autograd import Value, explain, step_through
from nn import MLP

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's package chromium")


def expected(recording, k):
    """What the cards show after step k, worked out here from the recording."""
    data = [
        None if n["role"] == "constant" else n["text"] if n["role"] != "operation" else "·" for n in recording["nodes"]
    ]
    grad = [None if n["role"] == "constant" else "·" for n in recording["nodes"]]
    for step in recording["steps"][: k + 1]:
        if step["phase"] == "forward":
            data[step["node"]] = step["shown"]
        if step["phase"] == "seed":
            grad[step["node"]] = step["shown"]
        if step["phase"] == "backward" and step["shown"]:
            grad[recording["edges"][step["edge"]]["source"]] = step["shown"]
        if step["phase"] == "end":
            grad = ["0" if text == "·" else text for text in grad]
    return data, grad


def test_every_step_shows_the_right_numbers(open_page):
    root = example()
    result = step_through(root)
    page = open_page(result)
    for k, step in enumerate(result.recording["steps"]):
        assert page.step == k
        assert (page.texts("data"), page.texts("grad")) == expected(result.recording, k)
        assert page.say() == step["say"]
        page.press("ArrowRight")
    assert page.step == len(result.recording["steps"]) - 1
    root.backward()
    shown = dict(zip([n["name"] for n in result.recording["nodes"]], page.texts("grad"), strict=True))
    leaves = {x.label: x for x in (root.inputs[0].inputs[1], root.inputs[1].inputs[0].inputs[0])}
    assert {name: shown[name] for name in leaves} == {
        name: f"{x.grad:.4g}".replace("-", "−") if x.grad else "0" for name, x in leaves.items()
    }


def test_a_middle_step_shows_the_chain_rule_and_what_is_added(open_page):
    result = step_through(example())
    page = open_page(result)
    steps = result.recording["steps"]
    k = next(k for k, s in enumerate(steps) if s["phase"] == "backward" and s["before"] is not None)
    page.press(*["ArrowRight"] * k)
    assert "is used more than once, so this is added" in page.say()
    written = page.equation().replace("upstream", "").replace("local", "").replace(" ", "")
    assert steps[k]["shown"] in written
    assert "+=" in written
    operand = result.recording["edges"][steps[k]["edge"]]["source"]
    assert page.page.get_attribute(".node.active", "data-node") == str(operand)
    assert page.page.locator(".arrow.active .back").is_visible()
    assert not page.page.locator(".arrow.active polygon:not(.back)").is_visible()
    assert page.page.locator(".pill.on").count() == 1
    assert page.page.locator(".phase.backward").count() == 1


def test_keys(open_page):
    page = open_page(step_through(example()))
    last = int(page.page.text_content(".count").split("/")[1])
    for key, step in [
        ("End", last),
        ("ArrowRight", last),
        ("Home", 0),
        ("ArrowLeft", 0),
        ("ArrowUp", 0),  # scrolls the page
        ("ArrowDown", 0),
    ]:
        page.press(key)
        assert page.step == step
    page.press("Control+ArrowRight")
    assert page.step == 0
    page.page.focus("input[type=range]")
    page.press("ArrowUp")
    assert page.step == 1
    page.page.focus("select")
    page.press("ArrowDown")
    assert page.step == 1


def test_slider_buttons_and_what_a_screen_reader_hears(open_page):
    result = step_through(example())
    page = open_page(result)
    page.page.locator("input[type=range]").fill("5")
    assert page.step == 5
    assert page.page.get_attribute("input[type=range]", "aria-valuetext").startswith("5 of ")
    for label, step in [("Next", 6), ("Previous", 5), ("First", 0), ("Last", len(result.recording["steps"]) - 1)]:
        page.page.locator(f"button[aria-label^={label}]").click()
        assert page.step == step
    assert page.page.locator("[role=status][aria-live=polite] .say").count() == 1
    label = page.page.get_attribute('.node[data-node="0"]', "aria-label")
    assert label.startswith("a, input, data 2, gradient ")
    assert all(b.get_attribute("aria-label") or b.text_content() for b in page.page.locator("button").all())


def test_play_and_pause(open_page):
    page = open_page(step_through(example()))
    page.page.select_option("select", "4")
    page.press("Space")
    assert page.page.locator("button[aria-label=Pause]").count() == 1
    for _ in range(100):
        if page.step >= 2:
            break
        page.page.wait_for_timeout(100)
    assert page.step >= 2
    page.press("Space")
    assert page.page.locator("button[aria-label=Play]").count() == 1
    step = page.step
    page.page.wait_for_timeout(600)
    assert page.step == step


def test_a_card_enlarges_with_formula_and_source(open_page):
    result = step_through(example())
    page = open_page(result)
    page.press("End")
    i = next(i for i, n in enumerate(result.recording["nodes"]) if n["symbol"] == "tanh")
    page.page.locator(f'.node[data-node="{i}"]').click()
    details = page.page.locator(".details")
    text = details.text_content()
    assert details.is_visible()
    assert details.get_attribute("role") == "dialog"
    for part in ("tanh", "0.4621", "scales the gradient by its slope here", "browser.py", "y = (p + c).tanh() * a"):
        assert part in text
    assert "1−" in text.replace(" ", "")
    assert "= 0.7864" in text
    page.press("Escape")
    assert not details.is_visible()
    page.press("Enter")  # focus is back on the card
    assert details.is_visible()
    page.press("ArrowLeft", "ArrowLeft")
    assert page.step == len(result.recording["steps"]) - 3
    assert page.page.evaluate("document.activeElement.ariaLabel") == "Close"
    box, frame = details.bounding_box(), page.page.locator(".stepper").bounding_box()
    assert box["y"] + box["height"] <= frame["y"] + frame["height"]
    page.page.locator(".details button").click()
    assert not details.is_visible()


def test_a_card_that_is_not_computed_yet_tells_only_its_rule(open_page):
    page = open_page(step_through(Value(0.5, label="x").tanh()))
    page.page.locator('.node[data-node="1"]').click()
    text = page.page.text_content(".details")
    assert "not computed yet" in text
    assert "= ?" in text
    page.page.locator(".stage").click(position={"x": 3, "y": 3})
    assert not page.page.locator(".details").is_visible()


def test_a_tall_picture_keeps_the_active_card_in_sight(open_page):
    xs = [Value(float(i), label=f"x{i}") for i in range(30)]
    page = open_page(step_through(autograd.sum([x * x for x in xs])), viewport={"width": 1000, "height": 600})
    for _ in range(70):
        page.press("ArrowRight")
    box = page.page.locator(".node.active").bounding_box()
    panel = page.page.locator(".panel").bounding_box()
    assert 0 <= box["y"] <= box["y"] + box["height"] <= panel["y"] < 600


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark_mode_and_contrast(open_page, scheme):
    page = open_page(step_through(example()), color_scheme=scheme)
    page.press("End")

    def luminance(selector, prop):
        colour = page.page.evaluate(
            "([s, p]) => { const c = document.createElement('canvas').getContext('2d');"
            "c.fillStyle = getComputedStyle(document.querySelector(s))[p]; c.fillRect(0, 0, 1, 1);"
            "return [...c.getImageData(0, 0, 1, 1).data] }",
            [selector, prop],
        )
        parts = [(x / 255 / 12.92 if x / 255 <= 0.03928 else ((x / 255 + 0.055) / 1.055) ** 2.4) for x in colour[:3]]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    ground = luminance(".stepper", "backgroundColor")
    assert (ground > 0.9) if scheme == "light" else (ground < 0.05)
    pairs = [(".say", "color", ".stepper", "backgroundColor")]
    for role in (".leaf", ".operation"):
        pairs += [
            (f"{role} .{part}", "fill", f"{role} .box", "fill") for part in ("title", "number.data", "number.grad")
        ]
    for front, p, back, q in pairs:
        high, low = sorted([luminance(front, p), luminance(back, q)], reverse=True)
        assert (high + 0.05) / (low + 0.05) > 4.5, (front, back)


def test_reduced_motion(open_page):
    page = open_page(step_through(example()), reduced_motion="reduce")
    k = next(k for k, s in enumerate(step_through(example()).recording["steps"]) if s["phase"] == "backward")
    page.press(*["ArrowRight"] * k)
    assert page.page.evaluate("getComputedStyle(document.querySelector('.arrow.active path')).animationName") == "none"


HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<img src=http://example.com/x onerror=alert(1)>",
    "'\"><svg onload=alert(1)>",
    "<!--<script>",
    "${alert(1)}{{x}}",
    "\\u003cscript>",
    "a|b\n{c}",
    "שלום \u202eevil",
    "🎉",
    "a" * 10_000,
]


@pytest.mark.parametrize("label", HOSTILE)
def test_nothing_that_people_write_executes(open_page, label):
    x = Value(1.5, label=label)
    x.note = x.note._replace(module=label, line=label)
    y = x * x + x.relu()
    y.label = label
    page = open_page(step_through(y))
    page.press(*["ArrowRight"] * 8)
    page.page.locator('.node[data-node="0"]').click()
    shown = "".join(c if c.isprintable() else " " for c in label[:100])
    assert shown.strip() in page.page.text_content(".details h3")
    page.page.locator("button.quiz").click()
    page.press("End")
    tags = {"IMG", "IFRAME", "OBJECT", "EMBED", "LINK"}
    assert not tags & set(page.page.evaluate("[...document.querySelectorAll('*')].map(e => e.tagName.toUpperCase())"))
    assert page.page.evaluate("document.scripts.length") == 2


@pytest.mark.parametrize("label", [HOSTILE[0], HOSTILE[2]])
def test_a_notebook_s_html_executes_nothing(browser, tmp_path, label):
    x = Value(1.5, label=label)
    y = x * x
    parts = [z._repr_mimebundle_()["text/html"] for z in (y, explain(y, x), step_through(y))]
    (tmp_path / "n.html").write_text("<!doctype html><meta charset=utf-8>" + "".join(parts), encoding="utf-8")
    page = Page(browser.new_page(), f"file://{tmp_path / 'n.html'}")
    frame = page.page.frame_locator("iframe")
    frame.locator("button[aria-label^=Last]").click()
    assert frame.locator(".count").text_content().split(" / ")[0] == "5"
    assert page.errors == []
    assert not [url for url in page.requests if not url.startswith(("file://", "data:image/svg+xml", "about:srcdoc"))]
    page.page.close()


def test_the_widget_and_python_move_each_other(browser):
    pytest.importorskip("anywidget")
    widget = step_through(example(), widget=True)
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content("<main></main>")
    page.evaluate(
        """async ([source, recording]) => {
          const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const { default: widget } = await import(url);
          const traits = { step: 3, recording }, listeners = [];
          window.saved = 0;
          window.model = {
            get: (name) => traits[name],
            set(name, x) { traits[name] = x; listeners.forEach((f) => f()); },
            save_changes() { window.saved += 1; },
            on: (_, f) => listeners.push(f),
            off: (_, f) => listeners.splice(listeners.indexOf(f), 1),
          };
          window.cleanup = widget.render({ model: window.model, el: document.querySelector("main") });
          window.listeners = listeners;
        }""",
        [str(widget._esm), json.loads(json.dumps(widget.recording))],
    )
    assert page.text_content(".count").startswith("3 /")
    page.evaluate("model.set('step', 6)")
    assert page.text_content(".count").startswith("6 /")
    page.locator("button[aria-label^=Next]").click()
    assert page.evaluate("model.get('step')") == 7
    assert page.evaluate("saved") == 1
    page.locator(".node").first.click()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert page.evaluate("model.get('step')") == 4
    page.keyboard.press("Escape")
    assert not page.locator(".details").is_visible()
    page.evaluate("cleanup()")
    assert page.evaluate("listeners.length") == 0
    assert errors == []
    page.close()


def test_a_network_of_three_layers_plays_to_the_end(open_page):
    model = MLP(2, [3, 3, 1], activation="tanh", rng=0)
    root = (model([0.5, -1.0]) - 1.0) ** 2
    result = step_through(root)
    page = open_page(result, viewport={"width": 500, "height": 700})
    page.press("End")
    root.backward()
    shown = [t for t, n in zip(page.texts("grad"), result.recording["nodes"], strict=True) if n["role"] == "parameter"]
    assert sorted(shown) == sorted(f"{p.grad:.4g}".replace("-", "−") for p in model.parameters())


def test_the_address_names_the_step(open_page):
    page = open_page(step_through(example()))
    page.page.goto(page.url + "#8")
    page.page.reload()
    assert page.step == 8
    page.press("ArrowRight")
    assert page.page.url.endswith("#9")
    page.page.evaluate("location.hash = '#3'")
    page.requests[1:] = []
    page.page.wait_for_function("document.querySelector('.count').textContent.startsWith('3 ')")


@pytest.mark.parametrize("size", [(360, 740), (1280, 800), (1920, 1080)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, size, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    viewport = {"width": size[0], "height": size[1]}
    for quiz in (False, True):
        page = open_page(step_through(example(), quiz=quiz), viewport=viewport, color_scheme=scheme)
        for keys in ((), ("ArrowRight",), ("End",)):
            page.press(*keys)
            found = axe.run(page.page)
            assert found.violations_count == 0, found.generate_report()


def test_on_a_projector_the_picture_fills_the_screen_and_on_touch_targets_are_large(open_page):
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    page = open_page(step_through((a * b).tanh()), viewport={"width": 1920, "height": 1080})
    page.press(*["ArrowRight"] * 4)
    picture = page.page.locator("svg.agraph").bounding_box()
    assert picture["width"] > 1400 or picture["height"] > 600
    assert page.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    page = open_page(step_through(a * b), viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    for box in page.page.evaluate(
        "[...document.querySelectorAll('.bar button:not([hidden]), .bar select')].map(x => x.getBoundingClientRect())"
        ".map(x => [x.width, x.height])"
    ):
        assert min(box) >= 44


def test_nothing_jumps_and_no_scrollbar_is_there_for_nothing(open_page):
    page = open_page(step_through(example()), viewport={"width": 1280, "height": 900})
    heights = set()
    for _ in range(len(step_through(example()).recording["steps"])):
        heights.add(page.page.evaluate("document.querySelector('.panel').getBoundingClientRect().height"))
        assert page.page.evaluate(
            "[...document.querySelectorAll('.equation, .rule, .stage')].every("
            "x => x.scrollHeight <= x.clientHeight + 1 || getComputedStyle(x).overflowY === 'hidden')"
        )
        page.press("ArrowRight")
    assert len(heights) == 1
