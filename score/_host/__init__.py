"""The scoring host. Loaded as the top-level package ``_scoring_host``, see ``score/__main__.py``.

One *front* process owns every connection; *worker* processes hold the model and a Flask application each, and take
requests from one shared queue. So the health routes always answer, a slow client never holds a worker, and a worker
that dies takes nothing with it but the request that it was scoring.
"""

__version__ = "0.1.0"
