"""What does a notebook store of a training run?"""

import nbclient
import nbformat
import pytest

CELL = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import dllab
from dllab import train
xor = dllab.load("xor", n=200)
dllab.set_seed(0)
model = keras.Sequential([keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
loss = keras.losses.BinaryCrossentropy(from_logits=True)
model.compile("adam", loss=loss, metrics=["accuracy"])
history = train.fit(model, xor.train, xor.validation, epochs=5, batch_size=4)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_one_line_is_stored_and_nothing_on_stderr(monkeypatch, request):
    monkeypatch.setenv("PYTHONPATH", str(request.config.rootpath))
    cells = [nbformat.v4.new_code_cell(CELL), nbformat.v4.new_code_cell("print(history)")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    (shown,), (printed,) = (cell.outputs for cell in notebook.cells)
    assert shown.output_type == "display_data"
    assert shown.data["text/plain"] + "\n" == printed.text
    assert printed.text.startswith("5 epochs: accuracy ")
