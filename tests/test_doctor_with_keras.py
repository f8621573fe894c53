"""Does the doctor's own process find the real backend?"""

from dllab import doctor


def test_the_backend_starts_and_its_noise_is_swallowed(monkeypatch, capfd):
    monkeypatch.setenv("DLLAB_DEVICE", "cpu")
    found = doctor._accelerator()
    assert found.ok, found
    assert found.text.startswith("CPU with ")
    assert capfd.readouterr() == ("", "")


def test_a_backend_that_does_not_exist_is_a_finding(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "abacus")
    found = doctor._accelerator()
    assert not found.ok
    assert "abacus" in found.text
