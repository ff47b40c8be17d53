import os

print("greeting", os.environ["GREETING"])
