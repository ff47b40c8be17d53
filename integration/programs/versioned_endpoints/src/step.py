import sys

print("size", sys.argv[1])
