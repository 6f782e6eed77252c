"""The commands of `oyez`, one module a noun; `oyez.cli` lists and loads them."""
