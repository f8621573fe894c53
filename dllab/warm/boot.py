"""Starts a template: run by path, with the interpreter of the kernels it will serve.

That interpreter's environment need not know `dllab`, and the notebook must not find `dllab`
imported already, so this package is loaded here under a private name.
"""

import importlib.util
import os
import sys

if __name__ == "__main__":
    # Twice forked, the template is nobody's child: no client has to reap it.
    if os.fork():
        os._exit(0)
    here = os.path.dirname(os.path.abspath(__file__))
    del sys.path[0]
    spec = importlib.util.spec_from_file_location(
        "_warm", os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["_warm"] = package
    spec.loader.exec_module(package)
    template = importlib.import_module("_warm.template")
    template.main(sys.argv[1])
