"""Cases for the compiled kernels, their answers by spec.py, and a driver that runs them anywhere.

`driver.c` reads cases and writes what each path answers; `wire` writes cases and compares answers;
`ops` and `models` make up cases, extreme ones for the most part.
"""
