"""The ring figure sums what NumPy sums, with the messages that the algorithm sends."""

from itertools import pairwise

import numpy as np
import pytest

MODEL = "DLLab.models['ring-all-reduce']"


@pytest.fixture
def figure(bench):
    """The figure in its first state."""
    window = bench("ring-all-reduce")
    yield window
    assert window.faults == []


@pytest.mark.parametrize(("workers", "numbers"), [(2, 6), (3, 8), (4, 8), (5, 12), (6, 11), (4, 3)])
def test_every_worker_ends_with_the_sum(figure, workers, numbers):
    """After 2 (workers - 1) steps, for even, uneven and empty chunks."""
    vectors = np.random.default_rng(workers).integers(1, 10, (workers, numbers))
    steps = 2 * (workers - 1)
    found, before = figure.page.evaluate(
        f"([v, n]) => [{MODEL}.run(v, n), {MODEL}.run(v, n - 1)]", [vectors.tolist(), steps]
    )
    total = np.tile(vectors.sum(axis=0), (workers, 1))
    assert found["values"] == total.tolist()
    assert before["values"] != total.tolist() or numbers < workers
    starts = np.cumsum([0] + [len(c) for c in np.array_split(np.arange(numbers), workers)])
    assert found["cuts"] == [[int(a), int(b)] for a, b in pairwise(starts)]
    assert all(sorted(p) == list(range(workers)) for row in found["parts"] for p in row)


@pytest.mark.parametrize("workers", [2, 3, 4, 6])
def test_half_way_each_worker_holds_one_finished_chunk(figure, workers):
    """Reduce-scatter leaves worker p with the sum of chunk p + 1, and names what it summed."""
    vectors = np.random.default_rng(1).integers(1, 10, (workers, 12))
    found = figure.page.evaluate(f"([v, n]) => {MODEL}.run(v, n)", [vectors.tolist(), workers - 1])
    for worker in range(workers):
        whole = [c for c, who in enumerate(found["parts"][worker]) if len(who) == workers]
        assert whole == [(worker + 1) % workers]
        for (start, end), who in zip(found["cuts"], found["parts"][worker], strict=True):
            partial = vectors[who, start:end].sum(axis=0)
            assert found["values"][worker][start:end] == partial.tolist()


@pytest.mark.parametrize(("workers", "numbers"), [(2, 6), (4, 8), (6, 12), (3, 8), (5, 3)])
def test_the_cost_is_what_the_chapter_counts(figure, workers, numbers):
    """The numbers of the chapter's `ring_all_reduce`; all together 2 (p - 1) vectors either way."""
    rounds = 2 * (workers - 1)
    found = figure.page.evaluate(
        f"([w, n, r]) => {MODEL}.cost(w, n, r)", [workers, numbers, rounds]
    )
    sizes = [len(chunk) for chunk in np.array_split(np.zeros(numbers), workers)]
    sent = [sum(sizes[(w - r) % workers] for r in range(rounds)) for w in range(workers)]
    assert found["ring"] == {
        "messages": rounds * workers,
        "numbers": rounds * numbers,
        "most": max(sent),
    }
    assert found["middle"] == {
        "messages": rounds,
        "numbers": rounds * numbers,
        "most": (workers - 1) * numbers,
    }


def test_the_figure_walks_through_the_example_by_hand(figure):
    """The rows of the chapter's table, round by round, by keys."""
    page = figure.page
    rounds = page.get_by_role("slider", name="Rounds done")
    says = page.locator(".w-says").first
    rounds.press("Home")
    assert "0 of 9 chunks" in says.text_content()
    table = [
        "1 2 3 10 20 30 100 200 300",
        "1 2 303 11 20 30 100 220 300",
        "1 222 303 11 20 333 111 220 300",
        "111 222 303 11 222 333 111 220 333",
        "111 222 333 111 222 333 111 222 333",
    ]
    for row in table:
        assert " ".join(page.locator(".w-values").all_text_contents()) == row
        rounds.press("ArrowRight")
    assert "9 of 9 chunks" in says.text_content()
    page.wait_for_function("location.hash.includes('round=4')")
    page.get_by_role("button", name="Reset").click()
    assert "Round 1 of 4" in page.locator(".w-formula").text_content()


def test_the_figure_gives_the_answers_of_the_text(figure):
    """Four workers with 8 numbers: 6 rounds, 12 numbers each; in the middle 24 in and 24 out."""
    page = figure.page
    page.get_by_role("button", name="4 workers, 8 numbers").press("Enter")
    says = page.locator(".w-says").first.text_content()
    assert "the busiest worker has sent 12 numbers" in says
    assert "would receive 24 and send 24" in says
    assert "Round 1 of 6. Reduce-scatter" in page.locator(".w-formula").text_content()
    for _ in range(3):
        page.get_by_role("button", name="Next round").press("Enter")
    assert "Round 4 of 6. All-gather" in page.locator(".w-formula").text_content()
    assert page.locator(".w-whole").count() == 8


def test_what_moves_is_said_in_words(figure):
    """Each worker names the one that it got its chunk from; a chunk on its way names its goal."""
    texts = figure.page.locator(".w-got .w-move").all_text_contents()
    assert sorted(texts) == ["+ from 0", "+ from 1", "+ from 2"]
    assert sorted(figure.page.locator(".w-sent .w-move").all_text_contents()) == [
        "→ to 0",
        "→ to 1",
        "→ to 2",
    ]


def test_nonsense_in_the_address_is_put_right(bench):
    """Numbers out of range come back into it: two workers have two rounds, then all is complete."""
    window = bench("ring-all-reduce", state="workers=-4&numbers=99&round=77&seed=cats")
    assert window.page.locator(".w-whole").count() == 4
    assert window.faults == []
