"""Convolutions by Winograd's minimal filtering: the same layer, with a quarter of the products.

A tile of 4 x 4 outputs of a 3 x 3 convolution needs 36 products in place of 144: inputs and kernel
are transformed, multiplied place by place, and transformed back (Lavin and Gray, "Fast Algorithms
for Convolutional Neural Networks", 2016). The products are one matrix product for each of the 36
places, which processors run at their full rate, gradients included. In float32 the result differs
from the direct convolution's by some 1e-5 of the largest value; bfloat16 is too coarse for it.
"""

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_SIDE = 4
"""Outputs of a tile, along each side."""
_POINTS = 6
"""Inputs of a tile, along each side."""
_OF_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float32,
)
_OF_KERNEL = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    np.float32,
)
_OF_OUTPUT = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    np.float32,
)
"""The matrices of F(4, 3) for the points 0, 1, -1, 2, -2 and infinity, as published."""
_CHANNELS = (256, 512)
"""Least width in and out from which the saved products outweigh the transforms."""

Matrix = NDArray[np.float32]


class WinogradConv2D(keras.layers.Conv2D):
    """A convolution with kernels of 3 x 3, stride 1 and padding `same`, in float32."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolves.

        Args:
            inputs: float32 [batch, height, width, channels].

        Returns:
            float32 [batch, height, width, filters].
        """
        height, width, channels = inputs.shape[1:]
        down, right = -(-height // _SIDE), -(-width // _SIDE)  # tiles
        into_rows, from_rows = _tiles(height)
        into_columns, from_columns = _tiles(width)
        of_kernel = np.einsum("ia,jb->ijab", _OF_KERNEL, _OF_KERNEL).reshape(_POINTS**2, 9)
        kernel = tf.matmul(of_kernel, tf.reshape(self.kernel, [9, channels * self.filters]))

        # Rows are transformed image by image, columns for each of the six points of the rows:
        # transposing in between, where the values are fewest, costs least.
        values = tf.matmul(into_rows, tf.reshape(inputs, [-1, height, width * channels]))
        values = tf.reshape(values, [-1, _POINTS, down, width, channels])
        values = tf.transpose(values, [1, 3, 0, 2, 4])
        values = tf.matmul(into_columns, tf.reshape(values, [_POINTS, width, -1]))
        values = tf.matmul(
            tf.reshape(values, [_POINTS**2, -1, channels]),
            tf.reshape(kernel, [_POINTS**2, channels, self.filters]),
        )
        values = tf.matmul(from_columns, tf.reshape(values, [_POINTS, _POINTS * right, -1]))
        values = tf.reshape(values, [_POINTS, width, -1, down, self.filters])
        values = tf.transpose(values, [2, 0, 3, 1, 4])
        values = tf.matmul(
            from_rows, tf.reshape(values, [-1, _POINTS * down, width * self.filters])
        )
        values = tf.reshape(values, [-1, height, width, self.filters])
        return self.activation(values + self.bias if self.use_bias else values)


def is_faster(layer: keras.layers.Layer, policy: str) -> bool:
    """Whether a layer trains faster as a `WinogradConv2D`.

    Args:
        layer: Any layer, built.
        policy: Name of the Keras dtype policy that it is to compute in.

    Returns:
        True for wide convolutions in float32 on a processor. A GPU has such algorithms of its own.
    """
    return (
        policy == "float32"
        and isinstance(layer, keras.layers.Conv2D)
        and layer.kernel_size == (3, 3)
        and layer.strides == (1, 1)
        and layer.padding == "same"
        and all(np.greater_equal(layer.kernel.shape[2:], _CHANNELS))
        and not tf.config.list_physical_devices("GPU")
    )


def _tiles(length: int) -> tuple[Matrix, Matrix]:
    """The transforms along one side: zeros lie beyond it, and what lies beyond it is dropped.

    Args:
        length: Of the side.

    Returns:
        From the side to the points of its tiles, [6 * tiles, length], point by point; and back to
        the outputs, [length, 6 * tiles].
    """
    tiles = -(-length // _SIDE)
    into = np.zeros((_POINTS, tiles, length + 2 * _SIDE), np.float32)
    back = np.zeros((tiles * _SIDE, _POINTS, tiles), np.float32)
    for tile in range(tiles):
        start = tile * _SIDE
        into[:, tile, start : start + _POINTS] = _OF_INPUT  # one zero lies before the side
        back[start : start + _SIDE, :, tile] = _OF_OUTPUT
    return into[..., 1 : length + 1].reshape(-1, length), back[:length].reshape(length, -1)
