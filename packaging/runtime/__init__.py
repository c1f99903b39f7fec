"""Builds what our packages bundle: CPython, its wheels and libbpf, for every glibc from 2.28 on.

The folder above is no package, for its name is taken by a library: run with it on the path, as make does,
`PYTHONPATH=packaging python -m runtime`.
"""
