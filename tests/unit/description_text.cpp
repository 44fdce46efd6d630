#include <cmath>
#include <string>

#include "catch.hpp"

#include <engraft/model/description_text.hpp>

using namespace engraft;

TEST_CASE("a description as C++ has what is not the default, and nothing else") {
    CHECK(cpp_text({.name = "tiny", .layers = 2}, "tiny") == "inline constexpr engraft::description tiny{\n"
                                                             "    .name = \"tiny\",\n"
                                                             "    .layers = 2,\n"
                                                             "};\n");
    auto const text = cpp_text({.name = "a",
                                .family = family::gpt_neox,
                                .norm = norm::layer,
                                .rope_scaling = rope_scaling::llama3,
                                .mlp = mlp::gated_gelu_tanh,
                                .residual = residual::parallel,
                                .qkv_bias = true},
                               "b");
    for (auto const* line :
         {"description b{", ".name = \"a\"", ".family = engraft::family::gpt_neox", ".norm = engraft::norm::layer",
          ".rope_scaling = engraft::rope_scaling::llama3", ".mlp = engraft::mlp::gated_gelu_tanh",
          ".residual = engraft::residual::parallel", ".qkv_bias = true"})
        CHECK(text.find(line) != text.npos);
}

TEST_CASE("numbers that are not whole read back as the same number") {
    for (double const value : {1e-6, 1e-5, 0.1, 1.0 / 3, 1e-300, 500000.0, std::nextafter(10.0, 11.0)}) {
        auto const literal = detail::cpp_literal(value);
        INFO(literal);
        CHECK(std::stod(literal) == value);
    }
}

TEST_CASE("any name of a folder is a text in C++, and makes a name of a variable") {
    CHECK(detail::cpp_literal(std::string_view("plain-1.0")) == "\"plain-1.0\"");
    CHECK(detail::cpp_literal(std::string_view("a\"b\\c\n1?\xc3")) == "\"a\\042b\\134c\\0121\\077\\303\"");
    CHECK(cpp_identifier("SmolLM2-135M") == "SmolLM2_135M");
    CHECK(cpp_identifier("Llama-3.2--1B/") == "Llama_3_2_1B_");
    CHECK(cpp_identifier("7b") == "model_7b");
    CHECK(cpp_identifier("") == "model_");
    CHECK(cpp_identifier("__x") == "x");
}
