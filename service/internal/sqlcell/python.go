package sqlcell

import _ "embed"

//go:embed sqlvalues.py
var pythonSource string

// PythonSource is the Python module for the kernel's side:
// encode_parameters({name: value}) returns the JSON that DecodeParams reads,
// decode_result(text, pandas=None) reads what Result.Encode returns.
func PythonSource() string { return pythonSource }
