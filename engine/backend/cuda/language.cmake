# Included by the root when TE_CUDA is on: finds nvcc and settles the architectures. TE_CUDA_ARCHITECTURES,
# when empty, is every one of ours this nvcc knows, with PTX of the newest for cards to come.
find_program(CMAKE_CUDA_COMPILER nvcc HINTS ENV CUDA_PATH /usr/local/cuda/bin REQUIRED)
set(TE_CUDA_ARCHITECTURES "" CACHE STRING "CUDA architectures as CMake writes them, e.g. 80-real;90")
if(NOT TE_CUDA_ARCHITECTURES)
  execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --list-gpu-arch OUTPUT_VARIABLE known
                  COMMAND_ERROR_IS_FATAL ANY)
  foreach(arch 75 80 86 89 90 100 120)
    if(known MATCHES "compute_${arch}[\r\n]")
      list(APPEND TE_CUDA_ARCHITECTURES ${arch})
    endif()
  endforeach()
  list(TRANSFORM TE_CUDA_ARCHITECTURES APPEND -real)
  list(POP_BACK TE_CUDA_ARCHITECTURES newest)
  string(REPLACE -real "" newest ${newest})
  list(APPEND TE_CUDA_ARCHITECTURES ${newest})
endif()
set(CMAKE_CUDA_ARCHITECTURES ${TE_CUDA_ARCHITECTURES})
enable_language(CUDA)
