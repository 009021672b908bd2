"""DICOM: data sets in, pictures out; `reader` is the door."""
