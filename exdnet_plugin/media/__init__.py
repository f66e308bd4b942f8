"""Sources and sinks: video through PyAV, photos through OpenCV."""
