// Version 2 of Catch2 has its main where this is defined; version 3 ignores it and gets the one below.
#define CATCH_CONFIG_MAIN
#include "catch.hpp"

#if __has_include(<catch2/catch_session.hpp>)
int main(int count, char* arguments[]) { return Catch::Session().run(count, arguments); }
#endif
