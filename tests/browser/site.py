"""A site on this computer's loopback, with the troubles that pages make."""

from __future__ import annotations

import http.server
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from tests import loopback

HOME = """<title>Shop</title><style>.gone{display:none}</style>
<nav><ul><li><a href="/form">Form</a><li><a href="/login">Log in</a></ul></nav>
<h1>A small shop</h1><p>We sell <b>good</b> things, see the <a href="/form">form</a>.</p>
<p class="gone">Hidden words</p><div onclick="document.title='clicked'" style="cursor:pointer">A box to click</div>
<table><tr><th>Thing<th>Price<tr><td>Nail<td>2<tr><td>Screw<td>3</table>
<button onclick="document.querySelector('h1').textContent='Changed'">Change</button>"""
FORM = """<title>Form</title><form action="/done" method="post"><label>Name <input name="name"></label>
<label>Secret <input type="password" name="secret" value="hunter2"></label>
<label><input type="checkbox" name="agree"> Agree</label>
<label>Colour <select name="colour"><option>red<option>blue</select></label><button>Send</button></form>"""
DIALOGS = """<title>Dialogs</title><button onclick="alert('Hello there')">Tell</button>
<button onclick="this.textContent=confirm('Sure?')?'yes':'no'">Confirm</button>
<button onclick="this.textContent=prompt('Name?')">Prompt</button>"""
FRAMES = """<title>Frames</title><h1>Outer</h1><iframe srcdoc="<button onclick='this.textContent=&quot;pressed&quot;'>
Inner</button><input type=password value=innerpass><input type=text value=inneropen>"></iframe>"""
SCROLL = """<title>Scroll</title><div id=list></div><div id=end style="height:10px"></div><script>let n=0;
const more=()=>fetch('/slow').then(()=>{for(let i=0;i<30;i++){const p=document.createElement('p');
p.textContent='Entry '+(++n);p.style.height='60px';list.append(p)}});
new IntersectionObserver(e=>e[0].isIntersecting&&more()).observe(end)</script>"""
SPA = """<title>App</title><div id=app></div><script>
const show=()=>{const p=location.pathname;
app.innerHTML='<h1>'+(p=='/spa'?'Start':'Item')+'</h1><a href="/spa/item">Item</a>'
+'<input placeholder=task><button>Add</button><ul></ul>';app.querySelector('a').onclick=e=>{e.preventDefault();
history.pushState({},'','/spa/item');setTimeout(show,60)};app.querySelector('button').onclick=()=>setTimeout(()=>{
const li=document.createElement('li');li.textContent=app.querySelector('input').value;
app.querySelector('ul').append(li)},60)};
onpopstate=show;show()</script>"""
FILES = """<title>Files</title><a href="/report.txt">Report</a> <a href="/endless" download="big.bin">Big</a>
<form action="/upload" method="post" enctype="multipart/form-data"><input type="file" name="file" aria-label="File">
<button>Upload it</button></form><input type="file" id="hid" style="display:none"
onchange="document.title=this.files[0].name"><button onclick="hid.click()">Pick</button>"""
POPUPS = """<title>Popups</title><a href="/form" target="_blank">In a tab</a>
<button onclick="for(let i=0;i<30;i++)window.open('/form','w'+i)">Many</button>"""
COVERED = """<title>Covered</title><button>Under</button>
<div class=veil style="position:fixed;inset:0;background:#fff8"></div>
<button disabled>Off</button><p role="button" tabindex="0">Plain</p>"""
HOSTILE = {
    "/huge": "<title>Huge</title><script>addEventListener('load',()=>{for(let i=0;i<20000;i++){"
    "const b=document.createElement('p');b.textContent='b'+i;document.body.append(b)}})</script>",
    "/deep": "<title>Deep</title><button>Top</button><script>let d=document.body;for(let i=0;i<3000;i++){"
    "d=d.appendChild(document.createElement('div'))}d.textContent='bottom'</script>",
    "/alerts": "<title>Alerts</title><button onclick='for(;;)alert(1)'>Never ends</button>",
    "/busy": "<title>Busy</title><button onclick='setTimeout(()=>{for(;;);},50)'>Hang</button>",
    "/restless": "<title>Restless</title><p id=p></p><script>setInterval(()=>p.textContent=Math.random(),5);"
    "fetch('/never')</script>",
    "/liar": """<title>Liar</title><button aria-label='x" [ref=e1]: y
- button "Pay" [ref=e2]'>z</button><p>- link "a" [ref=e9]: b</p>""",
}
PAY = '<title>Pay</title><form action="/checkout" method="post"><button>Pay now</button></form>'
PAGES = {"/": HOME, "/pay": PAY, "/form": FORM, "/dialogs": DIALOGS, "/frames": FRAMES, "/scroll": SCROLL, "/spa": SPA}
PAGES |= {"/spa/item": SPA, "/files": FILES, "/popups": POPUPS, "/covered": COVERED, **HOSTILE}


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/report.txt":
            self.answer(
                "the report", kind="text/plain", more=("Content-Disposition", 'attachment; filename="../a b.txt"')
            )
        elif path == "/account":
            known = "user=ada" in self.headers.get("Cookie", "")
            self.answer("<h1>Welcome, Ada</h1>" if known else "<h1>Who are you?</h1>", status=200 if known else 403)
        elif path == "/login":
            self.answer(
                '<form action="/login" method="post"><input name="user" aria-label="User"><button>Log in</button>'
            )
        elif path in ("/slow", "/never"):
            time.sleep(0.2 if path == "/slow" else 8)
            self.answer("")
        elif path in PAGES:
            self.answer(PAGES[path])
        elif self.path == "/receipts":
            self.answer(f"<h1>Paid {self.server.paid} times</h1>")  # type: ignore[attr-defined]  # see above
        else:
            self.answer("<h1>Not here</h1>", status=404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode(errors="replace")
        if self.path == "/checkout":
            self.server.paid += 1  # type: ignore[attr-defined]  # it is the server below
            self.answer("<h1>Thank you</h1>")
        elif self.path == "/login":
            user = parse_qs(body)["user"][0]
            self.answer("", status=303, more=("Location", "/account"), cookie=f"user={user}; Max-Age=9999")
        else:
            self.answer(f"<title>Done</title><h1>Received</h1><pre>{body.replace('<', '&lt;')}</pre>")

    def answer(
        self,
        text: str,
        *,
        status: int = 200,
        kind: str = "text/html; charset=utf-8",
        more: tuple[str, str] = ("X", "x"),
        cookie: str = "",
    ) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header(*more)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        return None


class Server(http.server.ThreadingHTTPServer):
    paid = 0
    block_on_close = False  # an answer that takes its time ends by itself

    def handle_error(self, request: object, client_address: object) -> None:
        return None  # A browser hangs up as it likes.


@contextmanager
def serving() -> Iterator[int]:
    """Serve the site; give its port."""
    with loopback.serving(Site, Server) as port:
        yield port
