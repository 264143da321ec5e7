"""What kernels differ in, in words, and how the functions are called in which their tasks sleep."""
