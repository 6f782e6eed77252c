"""What the exact engine costs and how close it is to the model, against llama.cpp."""
