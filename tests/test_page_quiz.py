"""The quiz of the step-through page, in a real browser."""

import pytest
from browser import CHROMIUM, example

from autograd import Value, step_through

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's package chromium")


def test_quiz(open_page):
    result = step_through(example())
    steps, page = result.recording["steps"], open_page(result)
    page.page.locator("button.quiz").click()
    first = next(k for k, s in enumerate(steps) if s["phase"] == "backward" and s["contribution"] is not None)
    assert page.step == first
    adding = (k for k, s in enumerate(steps) if s.get("before") is not None and s["contribution"] is not None)
    k = next(k for k in adding if steps[k]["local"] not in (0, 1) and steps[k]["upstream"] not in (0, 1))
    assert page.page.evaluate("document.activeElement.tagName") == "INPUT"
    page.page.locator(".say").click()
    page.press("ArrowRight", "End", "Space")
    assert page.step == first  # a question is answered before one goes on
    while page.step < k:
        if page.page.locator(".question input").count():
            page.page.locator("button:has-text('Show it')").click()
            assert page.page.locator(".question input").count() == 0
            page.press("Enter")  # on Next
        else:
            page.press("ArrowRight")
    step = steps[k]
    operand = result.recording["edges"][step["edge"]]["source"]
    assert page.texts("grad")[operand] == "?"
    assert page.equation() == ""
    assert page.page.locator(".pill.on").count() == 0
    field = page.page.locator(".question input")

    def answer(x):
        field.fill(str(x))
        field.press("Enter")
        return page.page.text_content(".reply") if page.page.locator(".reply").count() else ""

    assert "upstream gradient. Multiply" in answer(step["upstream"])
    assert "before accumulation. Add" in answer(step["before"])
    assert "contribution alone. Add" in answer(step["contribution"])
    assert "Not yet" in answer(123456)
    assert "Write a number" in answer("x")
    assert "Write a number" in answer("")
    field.press("ArrowLeft")
    assert page.step == k
    answer(step["shown"])
    assert page.say().startswith("✓ Right. (0 of ")
    assert page.texts("grad")[operand] == step["shown"]
    assert step["shown"] in page.equation()
    page.press("Enter")
    assert page.page.evaluate("document.activeElement.tagName") == "INPUT"
    answer(f"{steps[k + 1]['upstream']:.4g} * {steps[k + 1]['local']:.4g}")
    assert page.say().startswith("✓ Right. (1 of ")
    page.page.locator("button.quiz").click()
    assert page.page.locator(".question input").count() == 0


def test_a_quiz_without_questions_says_so(open_page):
    page = open_page(step_through(Value(-1.0, label="x").relu()))
    page.page.locator("button.quiz").click()
    assert page.say() == "There is nothing to ask here: no gradient is handed on."
    page.press("End")
    assert page.texts("grad") == ["0", "1"]


def test_quiz_after_watching_to_the_end_begins_at_the_first_question(open_page):
    result = step_through(example())
    page = open_page(result)
    page.press("End")
    page.page.locator("button.quiz").click()
    assert result.recording["steps"][page.step]["phase"] == "backward"
    assert page.page.locator(".question input").count() == 1


def through(page, answers):
    """Answers each question in turn: rightly where answers says so, else by asking for it."""
    for right in answers:
        while not page.page.locator(".question input").count():
            page.press("ArrowRight")
        if right:
            page.page.locator(".question input").fill(right)
            page.press("Enter")
        else:
            page.page.locator("button:has-text('Show it')").click()
        page.press("Enter")


def test_a_quiz_may_be_open_from_the_beginning_and_ends_with_a_score(open_page):
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    result = step_through(a * b + a, quiz=True)
    page, steps = open_page(result), result.recording["steps"]
    asked = [k for k, step in enumerate(steps) if step["phase"] == "backward"]
    assert page.step == asked[0]
    through(page, [steps[asked[0]]["shown"], None, *(steps[k]["shown"] for k in asked[2:])])
    page.press("End")
    assert page.say().endswith(f"{len(asked) - 1} of {len(asked)} right at the first try. Look again at: {asked[1]}")
    page.page.locator("button.again").click()
    assert page.step == asked[1]
    page.page.goto(page.url + f"#{asked[2]}")
    page.page.reload()
    page.requests[1:] = []
    assert page.step == asked[2]  # a link to a step shows that step


def test_a_harder_quiz_hides_the_rule(open_page):
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    page = open_page(step_through(a * b, quiz=True))
    assert page.page.text_content(".panel .rule") != ""
    page.page.locator("button.hard").click()
    assert page.page.text_content(".panel .rule") == ""
    page.page.locator(".question input").fill("17")
    page.press("Enter")
    assert page.page.text_content(".reply").startswith("✗ ")
    page.page.locator("button:has-text('Show it')").click()
    assert page.page.text_content(".panel .rule") != ""
