"""The web process: `python -m waitress --listen=127.0.0.1:8000 wsgi:app`, or this file itself."""

import gc

from admin.app import create_app
from rules_engine import logs
from rules_engine.settings import Settings

settings = Settings.from_env()
app = create_app(settings)
# What was imported stays for good: a search for garbage through it would keep a page waiting for 0.2 s now and then.
gc.freeze()

if __name__ == "__main__":
    from waitress import serve

    logs.configure(settings.log)
    serve(
        app,
        host=settings.host,
        port=settings.port,
        threads=8,
        ident=None,
        # A proxy on this machine tells who asks; otherwise one guesser of passwords would slow everybody's login down.
        trusted_proxy="127.0.0.1",
        trusted_proxy_headers={"x-forwarded-for", "x-forwarded-proto"},
        clear_untrusted_proxy_headers=True,
    )
