#pragma once

#include <filesystem>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

namespace paper {

/// The numbers that the paper prints or its authors released, from a JSON file of objects in objects.
class published {
public:
    /// throws bad_file
    explicit published(std::filesystem::path const& file);

    /// The number under these keys, one inside the other; NaN where there is none.
    double operator()(std::initializer_list<std::string> keys) const;
    /// The list of numbers; empty where there is none.
    std::vector<double> list(std::initializer_list<std::string> keys) const;
    std::string const& source() const { return source_; }

private:
    std::map<std::string, double> numbers_; ///< by the keys with slashes between
    std::map<std::string, std::vector<double>> lists_;
    std::string source_;
};

} // namespace paper
