"""A dark clip of our own making: a street at dusk, drawn with numpy, darkened in linear light, filmed with noise."""
