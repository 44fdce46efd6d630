#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/error.hpp>

namespace engraft {

namespace detail {

/// A record of CSV, and the line on which it begins.
struct csv_record {
    std::vector<std::string> fields;
    std::size_t line = 0;
    std::string fault{}; ///< what is wrong with it, if anything
};

/// Reads CSV record by record, as RFC 4180 has it: a field between quotation marks may hold commas, line breaks and,
/// doubled, quotation marks; spaces belong to a field. Lines may end in LF, too.
class csv_reader {
public:
    explicit csv_reader(std::string_view text) : text_(text) {}

    bool at_end() const { return at_ == text_.size(); }

    csv_record next() {
        csv_record record{.fields = {}, .line = line_};
        do
            record.fields.push_back(peek() == '"' ? quoted(record) : plain(record));
        while (take(','));
        if (!take_line_end() && !at_end()) {
            record.fault = "a quotation mark that closes a field is followed by neither a comma nor the line's end";
            while (!at_end() && !take_line_end())
                ++at_;
        }
        return record;
    }

private:
    char peek() const { return at_end() ? '\0' : text_[at_]; }

    bool take(char c) {
        bool const there = !at_end() && text_[at_] == c;
        at_ += there;
        return there;
    }

    bool take_line_end() {
        if (text_.substr(at_).starts_with("\r\n"))
            ++at_;
        bool const there = take('\n');
        line_ += there;
        return there;
    }

    std::string plain(csv_record& record) {
        std::string field;
        while (!at_end() && peek() != ',' && peek() != '\n' && !text_.substr(at_).starts_with("\r\n"))
            field += text_[at_++];
        if (field.find('"') != field.npos)
            record.fault = "a field with a quotation mark must be between quotation marks, with each inside doubled";
        return field;
    }

    std::string quoted(csv_record& record) {
        std::string field;
        for (++at_; !at_end();) {
            char const c = text_[at_++];
            if (c == '"' && !take('"'))
                return field;
            line_ += c == '\n';
            field += c;
        }
        record.fault = "a field's closing quotation mark is missing";
        return field;
    }

    std::string_view text_;
    std::size_t at_ = 0, line_ = 1;
};

} // namespace detail

} // namespace engraft
