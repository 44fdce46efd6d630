#define ENGRAFT_KERNELS
#include "kernels.hpp"
