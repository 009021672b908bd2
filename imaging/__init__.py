"""Files of any format in, pictures out, or a reason: the only place that decodes what people bring.

`reader` is the door: it knows what a file is and hands it to `jpeg`, `png`, `raster`, `dicom` or
`nifti`. It needs no TensorFlow, no TFX and nothing else of this project.
"""
