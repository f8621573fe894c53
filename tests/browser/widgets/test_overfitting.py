"""The polynomial figure fits by least squares as NumPy does, and shows those errors."""

import itertools

import numpy as np
import pytest
from numpy.polynomial.legendre import legvander

FIT = "([x, y, degree, ridge]) => DLLab.models.overfitting.fit(x, y, degree, ridge)"


@pytest.fixture
def figure(bench):
    """The figure in its first state."""
    window = bench("overfitting")
    yield window
    assert window.faults == []


def points(n, seed):
    """Return noisy points of a sine."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.random(n))
    return x, np.sin(2 * np.pi * x) + 0.3 * rng.normal(size=n)


def test_coefficients_are_those_of_least_squares(figure):
    """In Legendre polynomials; the penalty counts n times and spares the constant."""
    sizes = [(6, 0), (6, 5), (20, 3), (20, 12), (40, 15)]
    for (n, degree), ridge in itertools.product(sizes, [0.0, 1e-4, 0.3]):
        x, y = points(n, seed=n + degree)
        basis = legvander(2 * x - 1, degree)
        rows = np.sqrt(n * ridge) * np.eye(degree + 1)[1:]
        target = np.append(y, np.zeros(degree))
        expected = np.linalg.lstsq(np.vstack([basis, rows]), target, rcond=None)[0]
        found = figure.page.evaluate(FIT, [x.tolist(), y.tolist(), degree, ridge])
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_the_curve_is_numpys_polynomial(figure):
    """Value by value, and its errors are means of squares."""
    x, y = points(20, seed=1)
    c, values, error = figure.page.evaluate(
        """([x, y]) => {
          const m = DLLab.models.overfitting, c = m.fit(x, y, 9, 0);
          return [c, x.map(v => m.predict(c, v)), m.meanSquare(c, x, y)];
        }""",
        [x.tolist(), y.tolist()],
    )
    curve = np.polynomial.Legendre(c, domain=[0, 1])(x)
    np.testing.assert_allclose(values, curve, rtol=1e-9, atol=1e-12)
    assert error == pytest.approx(np.mean((curve - y) ** 2))


def test_training_error_falls_and_validation_error_turns(figure):
    """The law of the chapter: over many draws the best degree is small, and 12 is worse."""
    lists = figure.page.evaluate(
        """() => Array.from({length: 20}, (_, seed) => {
          const m = DLLab.models.overfitting;
          return m.errors(m.sample(20, 0.3, seed), 0);
        })"""
    )
    train = np.array([[e["train"] for e in one] for one in lists])
    validation = np.array([[e["validation"] for e in one] for one in lists])
    assert np.all(np.diff(train) <= 1e-12)
    mean = np.median(validation, axis=0)
    assert 3 <= mean.argmin() <= 6
    assert mean[12] > 1.2 * mean.min()
    assert mean[0] > 3 * mean.min()


def test_inputs_of_validation_lie_between_those_of_training(figure):
    """No fit is asked for points beyond its data."""
    data = figure.page.evaluate("DLLab.models.overfitting.sample(20, 0.3, 5)")
    np.testing.assert_allclose(data["x"], np.linspace(0.025, 0.975, 20), atol=1e-12)
    assert 0.025 <= min(data["validation"]["x"]) < max(data["validation"]["x"]) <= 0.975


def test_the_degree_can_be_moved_by_keys_and_stands_in_the_address(figure):
    """The sentence and the table follow; Reset goes back."""
    page = figure.page
    assert page.locator(".w-says").text_content().startswith("Degree 12:")
    page.get_by_role("slider", name="Degree").press("ArrowLeft")
    assert page.locator(".w-says").text_content().startswith("Degree 11:")
    errors = page.evaluate(
        "DLLab.models.overfitting.errors(DLLab.models.overfitting.sample(20, 0.3, 1016), 0)"
    )
    page.get_by_text("The errors as numbers").click()
    row = page.locator("tr", has_text="→ 11").locator("td").first
    assert row.text_content() == page.evaluate("v => DLLab.number(v, 2)", errors[11]["train"])
    page.wait_for_function("location.hash === '#try-overfitting?degree=11'")
    page.get_by_role("button", name="Reset").click()
    assert page.locator(".w-says").text_content().startswith("Degree 12:")


def test_new_data_leave_the_earlier_fits(figure):
    """Each draw adds a faint line, until they are forgotten."""
    page = figure.page
    faint = page.locator("path.w-faint[d^=M]")
    assert faint.count() == 1  # the one in the key
    page.get_by_role("button", name="Draw new data").press("Enter")
    page.get_by_role("button", name="Draw new data").press("Enter")
    assert faint.count() == 3
    page.get_by_role("button", name="Forget old fits").click()
    assert faint.count() == 1


def test_the_address_is_read_and_put_right(bench):
    """Six points settle degree 5; nonsense falls back."""
    window = bench("overfitting", state="points=6&degree=15")
    assert "no more than degree 5" in window.page.locator(".w-says").text_content()
    odd = bench("overfitting", state="degree=many&points=7.4&noise=-1&draws=99")
    assert "Degree 6:" in odd.page.locator(".w-says").text_content()
    assert window.faults == odd.faults == []
