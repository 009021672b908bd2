"""The endpoint that most demos have: Flask, PIL and Keras' `model.predict`, a request an image.

    bin/python -m benchmarks.flask_endpoint MODEL.keras PORT

Started by benchmarks.serve as what the model server is compared with.
"""

import io
import logging
import sys

import keras
import numpy as np
from flask import Flask, Response, jsonify, request
from PIL import Image


def create_app(path: str) -> Flask:
    """Makes the application.

    Args:
        path: A `.keras` file.

    Returns:
        The application.
    """
    model = keras.models.load_model(path, compile=False)
    side = model.input_shape[1]
    app = Flask(__name__)

    @app.post("/predict")
    def predict() -> Response:
        with Image.open(io.BytesIO(request.get_data())) as image:
            pixels = np.asarray(image.convert("RGB").resize((side, side)), np.float32)
        probabilities = model.predict(pixels[np.newaxis], verbose=0)[0]
        return jsonify({"probabilities": [float(value) for value in probabilities]})

    return app


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    create_app(sys.argv[1]).run("127.0.0.1", int(sys.argv[2]), threaded=True)
