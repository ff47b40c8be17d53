"""The Azure services that are faked, one package each: ``models.py`` (state), ``responses.py`` (HTTP), ``urls.py``."""
