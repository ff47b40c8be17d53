raise RuntimeError("this one fails")
