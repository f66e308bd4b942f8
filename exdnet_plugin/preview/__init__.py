"""Before and after in the browser: a session that filters one source, and the page that shows it.

`player.open_player` opens a source, `session.Session` filters what it plays, and `server.serve` shows it on a page. The
last needs aiohttp and aiortc, the extra `preview`.
"""
