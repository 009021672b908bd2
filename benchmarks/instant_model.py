"""A model server that answers `explain` of images without a model: what is left is the page's.

    bin/python -m benchmarks.instant_model PORT [SECONDS]

Started by benchmarks.page. The answer is as large as that of a network of 128 pixels; SECONDS is
how long each takes, one after the other, as a network on a processor does.
"""

import base64
import io
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

_SIDE = 128
_STATUS = {
    "version": "1",
    "state": "AVAILABLE",
    "status": {"error_code": "OK", "error_message": ""},
}


def _answer() -> bytes:
    random = np.random.default_rng(0)
    stream = io.BytesIO()
    smooth = Image.fromarray(random.integers(0, 255, (16, 16, 3), np.uint8)).resize((_SIDE, _SIDE))
    smooth.save(stream, "PNG")
    row = {
        "label": "glioma",
        "confidence": 0.75,
        "classes": ["glioma", "meningioma", "notumor", "pituitary"],
        "probabilities": [0.75, 0.125, 0.0625, 0.0625],
        "in_distribution": True,
        "ood_score": 1.5,
        "refer": False,
        "reasons": "",
        "heatmap": random.random((_SIDE, _SIDE), np.float32).tolist(),
        "crop_box": [0.1, 0.2, 0.9, 0.8],
        "overlay_bytes": {"b64": base64.b64encode(stream.getvalue()).decode()},
    }
    return json.dumps(row).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    prediction = _answer()
    status = json.dumps({"model_version_status": [_STATUS]}).encode()
    seconds = 0.0
    working = threading.Lock()

    def do_GET(self) -> None:
        """The model is there."""
        self._send(self.status)

    def do_POST(self) -> None:
        """The same of every image."""
        images = self.rfile.read(int(self.headers["content-length"])).count(b'"b64"')
        if self.seconds:
            with self.working:
                time.sleep(self.seconds)
        self._send(b'{"predictions": [%s]}' % b", ".join([self.prediction] * images))

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    _Handler.seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()
