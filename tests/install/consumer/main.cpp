#include <engraft/engraft.hpp>

int main() { return ENGRAFT_VERSION_MAJOR + ENGRAFT_VERSION_MINOR + ENGRAFT_VERSION_PATCH > 0 ? 0 : 1; }
