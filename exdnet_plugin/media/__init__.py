"""Sources and sinks: video through PyAV, photos through OpenCV. The only room that imports av."""
