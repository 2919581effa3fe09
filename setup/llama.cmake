# Half of the time goes into llama.cpp's common part, which its Python package asks for and does not
# use; setup/engines.sh has this read before llama.cpp's own options.
set(LLAMA_BUILD_COMMON OFF)
