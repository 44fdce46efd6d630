// Read once for each instruction set, inside its namespace, by kernels.ipp: the functions of cpu_kernels (kernels.hpp),
// written with `wide`. Where a sum is taken over a row, its 16 parts are added up in one order.

template <std::size_t R, std::size_t P>
struct tile {
    static void compute(tile_job const& job) {
        float* const out = job.out;
        std::size_t const out_stride = job.out_stride;
        wide sums[R][P];
        ENGRAFT_UNROLL
        for (std::size_t r = 0; r < R; ++r) {
            ENGRAFT_UNROLL
            for (std::size_t p = 0; p < P; ++p)
                sums[r][p] = job.go_on ? load(out + r * out_stride + p * 16) : set(0);
        }
        float const* w = job.weights;
        std::size_t const stride = job.in_stride, step = job.in_step, down = job.weight_step, across = job.panel_step;
        float const* x[(R + 3) / 4]; // of every fourth row, so that few registers hold addresses
        ENGRAFT_UNROLL
        for (std::size_t r = 0; r < R; r += 4)
            x[r / 4] = job.in + r * stride;
        for (std::size_t i = job.depth; i > 0; --i, w += down) {
            wide now[P];
            ENGRAFT_UNROLL
            for (std::size_t p = 0; p < P; ++p)
                now[p] = load(w + p * across);
            ENGRAFT_UNROLL
            for (std::size_t r = 0; r < R; ++r) {
                wide const each = set(x[r / 4][r % 4 * stride]);
                ENGRAFT_UNROLL
                for (std::size_t p = 0; p < P; ++p)
                    sums[r][p] = fma(each, now[p], sums[r][p]);
            }
            ENGRAFT_UNROLL
            for (std::size_t r = 0; r < R; r += 4)
                x[r / 4] += step;
        }
        ENGRAFT_UNROLL
        for (std::size_t r = 0; r < R; ++r) {
            ENGRAFT_UNROLL
            for (std::size_t p = 0; p < P; ++p)
                store(out + r * out_stride + p * 16, sums[r][p]);
        }
    }
};

template <std::size_t Rows, std::size_t Panels, std::size_t... R>
constexpr tile_set make_tiles(std::index_sequence<R...>) {
    return {Rows, Panels, {tile<R + 1, Panels>::compute...}, {tile<R + 1, 1>::compute...}};
}

/// f(first, count) on each 16 numbers of [0, n), and on the last ones.
template <class F>
inline void each_wide(std::size_t n, F const& f) {
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16)
        f(i, 16);
    if (i < n)
        f(i, n - i);
}

inline float* row_of(matrix<float> const& m, std::size_t r) { return m.data + r * m.stride; }
inline float const* row_of(matrix<float const> const& m, std::size_t r) { return m.data + r * m.stride; }

/// e^x to 2 units in the last place; 0 where x is below the smallest normal number's logarithm, and e^88 from there on.
/// With n = round(x / ln 2) it is 2^n times the series of e^(x - n ln 2) up to the 7th power, which leaves out less
/// than 6e-9; ln 2 is two numbers, so that n times the first is exact.
inline wide exponential(wide const& x) {
    wide const bounded = min(set(88.0f), max(set(-87.33654f), x));
    wide const magic = set(12582912.0f); // 1.5 * 2^23: adding it rounds to a whole number
    wide const n = sub(fma(bounded, set(1.44269504f), magic), magic);
    wide const r = fma(n, set(2.12194440e-4f), fnma(n, set(0.693359375f), bounded));
    wide p = fma(r, set(1.9841270e-4f), set(1.3888889e-3f));
    p = fma(p, r, set(8.3333333e-3f));
    p = fma(p, r, set(4.1666667e-2f));
    p = fma(p, r, set(1.6666667e-1f));
    p = fma(p, r, set(0.5f));
    p = fma(mul(p, r), r, add(r, set(1.0f)));
    return zero_below(mul(p, power_of_two(n)), x, -87.33654f);
}

/// 1 / (1 + e^-x)
inline wide sigmoid(wide const& x) { return div(set(1), add(set(1), exponential(sub(set(0), x)))); }

inline void rms_norm(matrix<float> out, matrix<float const> in, float const* gain, double eps) {
    auto const n = in.columns;
    for (std::size_t r = 0; r < in.rows; ++r) {
        auto const x = row_of(in, r);
        auto const y = row_of(out, r);
        wide sums = set(0);
        each_wide(n, [&](std::size_t i, std::size_t c) {
            wide const v = load(x + i, c);
            sums = fma(v, v, sums);
        });
        float const mean = sum_of(sums) / static_cast<float>(n);
        wide const scale = set(1 / std::sqrt(mean + static_cast<float>(eps)));
        each_wide(n, [&](std::size_t i, std::size_t c) {
            store(y + i, mul(mul(load(x + i, c), scale), load(gain + i, c)), c);
        });
    }
}

/// Mean of a row, and the sum of squared differences from it.
struct moments {
    float mean, squares;
};
inline moments moments_of(float const* x, std::size_t n) {
    wide sums = set(0);
    each_wide(n, [&](std::size_t i, std::size_t c) { sums = add(sums, load(x + i, c)); });
    float const mean = sum_of(sums) / static_cast<float>(n);
    wide squares = set(0);
    each_wide(n, [&](std::size_t i, std::size_t c) {
        float line[16] = {}; // 0 behind the end
        store(line, sub(load(x + i, c), set(mean)), c);
        wide const d = load(line);
        squares = fma(d, d, squares);
    });
    return {mean, sum_of(squares)};
}

inline void layer_norm(matrix<float> out, matrix<float const> in, float const* gain, float const* bias, double eps) {
    auto const n = in.columns;
    for (std::size_t r = 0; r < in.rows; ++r) {
        auto const x = row_of(in, r);
        auto const y = row_of(out, r);
        auto const of = moments_of(x, n);
        float const mean = of.mean;
        wide const scale = set(1 / std::sqrt(of.squares / static_cast<float>(n) + static_cast<float>(eps)));
        each_wide(n, [&](std::size_t i, std::size_t c) {
            store(y + i, fma(mul(sub(load(x + i, c), set(mean)), scale), load(gain + i, c), load(bias + i, c)), c);
        });
    }
}

inline void add(matrix<float> to, matrix<float const> from) {
    for (std::size_t r = 0; r < to.rows; ++r) {
        auto const y = row_of(to, r);
        auto const x = row_of(from, r);
        each_wide(to.columns,
                  [&](std::size_t i, std::size_t c) { store(y + i, add(load(y + i, c), load(x + i, c)), c); });
    }
}

inline void add_bias(matrix<float> to, float const* bias) {
    for (std::size_t r = 0; r < to.rows; ++r) {
        auto const y = row_of(to, r);
        each_wide(to.columns,
                  [&](std::size_t i, std::size_t c) { store(y + i, add(load(y + i, c), load(bias + i, c)), c); });
    }
}

inline void add_difference(matrix<float> to, matrix<float const> a, matrix<float const> b, std::size_t parts) {
    for (std::size_t r = 0; r < to.rows; ++r) {
        auto const y = row_of(to, r);
        for (std::size_t p = 0; p < parts; ++p) {
            auto const x = row_of(a, r) + p * to.columns, before = row_of(b, r) + p * to.columns;
            each_wide(to.columns, [&](std::size_t i, std::size_t c) {
                float line[16], difference[16];
                store(line, load(y + i, c));
                store(difference, sub(load(x + i, c), load(before + i, c)));
                for (std::size_t l = 0; l < 16; ++l) // 0 is not added: -0 stays -0
                    line[l] = difference[l] != 0 ? line[l] + difference[l] : line[l];
                store(y + i, load(line), c);
            });
        }
    }
}

inline void scale(matrix<float> x, float factor) {
    for (std::size_t r = 0; r < x.rows; ++r) {
        auto const y = row_of(x, r);
        each_wide(x.columns, [&](std::size_t i, std::size_t c) { store(y + i, mul(load(y + i, c), set(factor)), c); });
    }
}

inline void softcap(matrix<float> x, float cap) {
    for (std::size_t r = 0; r < x.rows; ++r)
        for (auto p = row_of(x, r), end = p + x.columns; p != end; ++p)
            *p = cap * std::tanh(*p / cap);
}

/// Turns the two halves of a head's rotated part by angles, `sign` 1 or -1 of the sines.
inline void turn_halves(float* a, float* b, float const* cos, float const* sin, std::size_t half, float sign) {
    each_wide(half, [&](std::size_t i, std::size_t c) {
        wide const x = load(a + i, c), y = load(b + i, c), turn = load(cos + i, c),
                   s = mul(load(sin + i, c), set(sign));
        store(a + i, fnma(y, s, mul(x, turn)), c);
        store(b + i, fma(x, s, mul(y, turn)), c);
    });
}

inline void rotate_by(matrix<float> x, std::size_t heads, matrix<float const> angles, std::uint32_t const* positions,
                      float sign) {
    std::size_t const width = x.columns / heads, half = angles.columns / 2;
    for (std::size_t r = 0; r < x.rows; ++r) {
        auto const cos = row_of(angles, positions[r]);
        for (std::size_t h = 0; h < heads; ++h) {
            auto const a = row_of(x, r) + h * width;
            turn_halves(a, a + half, cos, cos + half, half, sign);
        }
    }
}
inline void rotate(matrix<float> x, std::size_t heads, matrix<float const> angles, std::uint32_t const* positions) {
    rotate_by(x, heads, angles, positions, 1);
}
inline void rotate_back(matrix<float> x, std::size_t heads, matrix<float const> angles,
                        std::uint32_t const* positions) {
    rotate_by(x, heads, angles, positions, -1);
}

/// Twice the argument of the hyperbolic tangent in GELU's approximation: sqrt(8 / pi) (x + 0.044715 x^3).
inline wide gelu_argument(wide const& x) { return mul(set(1.59576912f), fma(mul(set(0.044715f), mul(x, x)), x, x)); }

/// The share of x that GELU lets through, by the error function.
inline wide gelu_share(wide const& x) {
    float line[16];
    store(line, x);
    for (auto& e : line)
        e = 0.5f * (1 + std::erf(e * 0.70710678f));
    return load(line);
}

// Functors, not lambdas: in templates, GCC compiles lambdas without the instruction set.
struct silu {
    wide operator()(wide const& x) const { return mul(x, sigmoid(x)); }
    void operator()(wide const& x, wide& value, wide& slope) const {
        wide const s = sigmoid(x);
        value = mul(x, s);
        slope = mul(s, fma(x, sub(set(1), s), set(1)));
    }
};
struct gelu {
    wide operator()(wide const& x) const { return mul(x, gelu_share(x)); }
    void operator()(wide const& x, wide& value, wide& slope) const {
        wide const share = gelu_share(x);
        value = mul(x, share);
        wide const density = mul(exponential(mul(mul(x, x), set(-0.5f))), set(0.39894228f));
        slope = fma(x, density, share);
    }
};
struct gelu_tanh { // x (1 + tanh u) / 2 = x sigmoid(2 u)
    wide operator()(wide const& x) const { return mul(x, sigmoid(gelu_argument(x))); }
    void operator()(wide const& x, wide& value, wide& slope) const {
        wide const s = sigmoid(gelu_argument(x));
        value = mul(x, s);
        wide const inner = mul(set(1.59576912f), fma(set(3 * 0.044715f), mul(x, x), set(1)));
        slope = fma(mul(value, sub(set(1), s)), inner, s);
    }
};
struct relu {
    wide operator()(wide const& x) const { return max(set(0), x); }
    void operator()(wide const& x, wide& value, wide& slope) const {
        value = max(set(0), x);
        float line[16];
        store(line, x);
        for (auto& e : line)
            e = e > 0 ? 1.0f : 0.0f;
        slope = load(line);
    }
};

/// use(f), f being the nonlinearity: f(x), and f(x, value, slope) for its derivative, too.
template <class Use>
inline void with_activation(mlp kind, Use const& use) {
    switch (kind) {
    case mlp::gated_silu:
        return use(silu{});
    case mlp::gelu:
        return use(gelu{});
    case mlp::gated_gelu_tanh:
    case mlp::gelu_tanh:
        return use(gelu_tanh{});
    case mlp::relu:
        return use(relu{});
    case mlp::none:
        return;
    }
}

inline void activate(matrix<float> x, mlp kind) {
    with_activation(kind, [&](auto const& f) {
        for (std::size_t r = 0; r < x.rows; ++r) {
            auto const y = row_of(x, r);
            each_wide(x.columns, [&](std::size_t i, std::size_t c) { store(y + i, f(load(y + i, c)), c); });
        }
    });
}

inline void gated(matrix<float> out, matrix<float const> gate, mlp kind) {
    with_activation(kind, [&](auto const& f) {
        for (std::size_t r = 0; r < out.rows; ++r) {
            auto const y = row_of(out, r);
            auto const g = row_of(gate, r);
            each_wide(out.columns,
                      [&](std::size_t i, std::size_t c) { store(y + i, mul(load(y + i, c), f(load(g + i, c))), c); });
        }
    });
}

inline double log_sum_exp(float const* row, std::size_t count) {
    float const none = -std::numeric_limits<float>::infinity();
    auto const at = [&](std::size_t i) { // -infinity behind the end
        if (i + 16 <= count)
            return load(row + i);
        float line[16];
        for (std::size_t l = 0; l < 16; ++l)
            line[l] = i + l < count ? row[i + l] : none;
        return load(line);
    };
    wide most = set(none);
    for (std::size_t i = 0; i < count; i += 16)
        most = max(most, at(i));
    float lanes[16];
    store(lanes, most);
    float const largest = *std::max_element(lanes, lanes + 16);
    double sum = 0;
    for (std::size_t begin = 0; begin < count; begin += 512) {
        wide sums = set(0);
        for (std::size_t i = begin; i < std::min(begin + 512, count); i += 16)
            sums = add(sums, exponential(sub(at(i), set(largest))));
        sum += sum_of(sums);
    }
    return largest + std::log(sum);
}

inline void turn(float* to, std::size_t to_step, float const* const* from, std::size_t count, std::size_t width) {
    for (std::size_t l = 0; l < count; ++l)
        for (std::size_t i = 0; i < width; ++i)
            to[i * to_step + l] = from[l][i];
    for (std::size_t i = 0; i < width && count < 16; ++i)
        std::memset(to + i * to_step + count, 0, (16 - count) * sizeof(float));
}

inline bool finite(matrix<float const> rows) {
    wide sum = set(0);
    for (std::size_t r = 0; r < rows.rows; ++r) {
        auto const x = row_of(rows, r);
        each_wide(rows.columns, [&](std::size_t i, std::size_t c) { sum = fma(load(x + i, c), set(0), sum); });
    }
    return sum_of(sum) == 0; // what is not finite times 0 is NaN
}

inline wide capped(wide const& x, float cap) {
    float line[16];
    store(line, x);
    for (auto& e : line)
        e = cap * std::tanh(e / cap);
    return load(line);
}

inline void finish_scores(float* scores, std::size_t step, std::size_t begin, std::size_t end,
                          attention_lanes const& lanes, float scale, float cap, float* largest) {
    if (cap > 0) { // by itself: calls would keep the loop below from its registers
        for (std::size_t j = begin; j < end; ++j)
            store(scores + j * step, capped(mul(load(scores + j * step), set(scale)), cap));
        scale = 1;
    }
    wide most = load(largest);
    auto const first = *std::max_element(lanes.first.begin(), lanes.first.end());
    auto const last = *std::min_element(lanes.last.begin(), lanes.last.end());
    for (std::size_t j = begin; j < end; ++j) {
        auto const line = scores + j * step;
        store(line, mul(load(line), set(scale)));
        if (auto const key = static_cast<std::int32_t>(j); key < first || key > last)
            for (std::size_t l = 0; l < 16; ++l)
                if (key < lanes.first[l] || key > lanes.last[l])
                    line[l] = -std::numeric_limits<float>::infinity();
        most = max(most, load(line));
    }
    store(largest, most);
}

inline void exponentials(float* scores, std::size_t step, std::size_t begin, std::size_t end, float const* largest,
                         float* factors) {
    wide const most =
        max(set(std::numeric_limits<float>::lowest()), load(largest)); // where no key is seen, all become 0
    wide sum = set(0);
    for (std::size_t j = begin; j < end;) {
        wide part = set(0);
        for (auto const stop = std::min(end, (j / 64 + 1) * 64); j < stop; ++j) {
            wide const e = exponential(sub(load(scores + j * step), most));
            store(scores + j * step, e);
            part = add(part, e);
        }
        sum = add(sum, part);
    }
    store(factors, div(set(1), max(set(std::numeric_limits<float>::min()), sum)));
}

inline void scale_lanes(float* x, std::size_t step, std::size_t begin, std::size_t end, float const* factors) {
    wide const factor = load(factors);
    for (std::size_t j = begin; j < end; ++j)
        store(x + j * step, mul(load(x + j * step), factor));
}

inline void softmax(float* scores, std::size_t step, std::size_t begin, std::size_t end) {
    wide most = set(-std::numeric_limits<float>::infinity());
    for (std::size_t j = begin; j < end; ++j)
        most = max(most, load(scores + j * step));
    float largest[16], factors[16];
    store(largest, most);
    exponentials(scores, step, begin, end, largest, factors);
    scale_lanes(scores, step, begin, end, factors);
}

inline void scale_slice(float* x, std::size_t n, float factor) {
    each_wide(n, [&](std::size_t i, std::size_t c) { store(x + i, mul(load(x + i, c), set(factor)), c); });
}

inline void add_slice(float* to, float const* from, std::size_t n, float factor) {
    each_wide(n, [&](std::size_t i, std::size_t c) {
        store(to + i, fma(set(factor), load(from + i, c), load(to + i, c)), c);
    });
}

inline void blend_slice(float* to, float const* from, std::size_t n, float const* weights, bool each) {
    each_wide(n, [&](std::size_t i, std::size_t c) {
        wide const w = each ? load(weights + i, c) : set(*weights);
        wide const x = load(to + i, c), y = load(from + i, c);
        float mixed[16], share[16], old[16], other[16];
        store(mixed, fma(w, x, mul(sub(set(1), w), y)));
        store(share, w);
        store(old, x);
        store(other, y);
        for (std::size_t l = 0; l < 16; ++l) // exact at 0 and 1, whatever the other one is
            mixed[l] = share[l] == 1 ? old[l] : share[l] == 0 ? other[l] : mixed[l];
        store(to + i, load(mixed), c);
    });
}

inline void project_slice(float* to, float const* from, std::size_t n, matrix<float const> basis) {
    std::vector<float> along(basis.rows);
    for (std::size_t b = 0; b < basis.rows; ++b) {
        wide sums = set(0);
        each_wide(n, [&](std::size_t i, std::size_t c) {
            sums = fma(load(row_of(basis, b) + i, c), sub(load(from + i, c), load(to + i, c)), sums);
        });
        along[b] = sum_of(sums);
    }
    for (std::size_t b = 0; b < basis.rows; ++b)
        add_slice(to, row_of(basis, b), n, along[b]);
}

inline void rms_norm_back(matrix<float> dx, matrix<float const> dy, matrix<float const> x, float const* gain,
                          double eps, bool add_to) {
    auto const n = x.columns;
    for (std::size_t r = 0; r < x.rows; ++r) {
        auto const in = row_of(x, r), d = row_of(dy, r);
        auto const to = row_of(dx, r);
        wide squares = set(0), products = set(0);
        each_wide(n, [&](std::size_t i, std::size_t c) {
            wide const v = load(in + i, c);
            squares = fma(v, v, squares);
            products = fma(mul(load(gain + i, c), load(d + i, c)), v, products);
        });
        auto const count = static_cast<float>(n);
        float const scale = 1 / std::sqrt(sum_of(squares) / count + static_cast<float>(eps));
        wide const back = set(scale * scale * scale * sum_of(products) / count);
        each_wide(n, [&](std::size_t i, std::size_t c) {
            wide const g = fnma(load(in + i, c), back, mul(mul(set(scale), load(gain + i, c)), load(d + i, c)));
            store(to + i, add_to ? add(load(to + i, c), g) : g, c);
        });
    }
}

inline void layer_norm_back(matrix<float> dx, matrix<float const> dy, matrix<float const> x, float const* gain,
                            double eps, bool add_to) {
    auto const n = x.columns;
    auto const count = static_cast<float>(n);
    for (std::size_t r = 0; r < x.rows; ++r) {
        auto const in = row_of(x, r), d = row_of(dy, r);
        auto const to = row_of(dx, r);
        auto const of = moments_of(in, n);
        float const mean = of.mean;
        wide sums = set(0), products = set(0);
        each_wide(n, [&](std::size_t i, std::size_t c) {
            wide const g = mul(load(gain + i, c), load(d + i, c)); // 0 behind the end
            sums = add(sums, g);
            products = fma(g, sub(load(in + i, c), set(mean)), products);
        });
        float const scale = 1 / std::sqrt(of.squares / count + static_cast<float>(eps));
        wide const back = set(scale * scale * scale * sum_of(products) / count), level = set(-sum_of(sums) / count);
        each_wide(n, [&](std::size_t i, std::size_t c) {
            wide const g = mul(set(scale), fma(load(gain + i, c), load(d + i, c), level));
            wide const all = fnma(sub(load(in + i, c), set(mean)), back, g);
            store(to + i, add_to ? add(load(to + i, c), all) : all, c);
        });
    }
}

inline void activate_back(matrix<float> dx, matrix<float const> x, mlp kind) {
    with_activation(kind, [&](auto const& f) {
        for (std::size_t r = 0; r < dx.rows; ++r) {
            auto const d = row_of(dx, r);
            auto const in = row_of(x, r);
            each_wide(dx.columns, [&](std::size_t i, std::size_t c) {
                wide value, slope;
                f(load(in + i, c), value, slope);
                store(d + i, mul(load(d + i, c), slope), c);
            });
        }
    });
}

inline void gated_back(matrix<float> dup, matrix<float> dgate, matrix<float const> up, matrix<float const> gate,
                       mlp kind) {
    with_activation(kind, [&](auto const& f) {
        for (std::size_t r = 0; r < dup.rows; ++r) {
            auto const d = row_of(dup, r), to = row_of(dgate, r);
            auto const u = row_of(up, r), g = row_of(gate, r);
            each_wide(dup.columns, [&](std::size_t i, std::size_t c) {
                wide value, slope;
                f(load(g + i, c), value, slope);
                wide const out = load(d + i, c);
                store(to + i, mul(load(u + i, c), mul(out, slope)), c);
                store(d + i, mul(out, value), c);
            });
        }
    });
}

inline void softcap_back(matrix<float> dx, matrix<float const> y, float cap) {
    for (std::size_t r = 0; r < dx.rows; ++r) {
        auto const d = row_of(dx, r);
        auto const at = row_of(y, r);
        each_wide(dx.columns, [&](std::size_t i, std::size_t c) {
            wide const share = div(load(at + i, c), set(cap));
            store(d + i, mul(load(d + i, c), fnma(share, share, set(1))), c);
        });
    }
}

inline void softmax_back(float* dp, float const* p, float const* capped, std::size_t step, std::size_t begin,
                         std::size_t end, float scale, float cap) {
    wide sum = set(0);
    for (std::size_t j = begin; j < end; ++j)
        sum = fma(load(p + j * step), load(dp + j * step), sum);
    for (std::size_t j = begin; j < end; ++j) {
        wide d = mul(mul(load(p + j * step), sub(load(dp + j * step), sum)), set(scale));
        if (cap > 0) {
            wide const share = div(load(capped + j * step), set(cap)); // -infinity where a key is hidden
            d = mul(d, max(set(0), fnma(share, share, set(1))));
        }
        store(dp + j * step, d);
    }
}

inline void softmax_seed(float* to, float const* row, std::size_t count, float log_sum, float share) {
    each_wide(count, [&](std::size_t i, std::size_t c) {
        store(to + i, mul(exponential(sub(load(row + i, c), set(log_sum))), set(share)), c);
    });
}

inline constexpr cpu_kernels make_kernels(char const* name, tile_set const& tiles) {
    return {.name = name,
            .tiles = tiles,
            .rms_norm = rms_norm,
            .layer_norm = layer_norm,
            .add = add,
            .add_bias = add_bias,
            .add_difference = add_difference,
            .scale = scale,
            .softcap = softcap,
            .rotate = rotate,
            .activate = activate,
            .gated = gated,
            .log_sum_exp = log_sum_exp,
            .turn = turn,
            .finite = finite,
            .finish_scores = finish_scores,
            .exponentials = exponentials,
            .scale_lanes = scale_lanes,
            .softmax = softmax,
            .scale_slice = scale_slice,
            .add_slice = add_slice,
            .blend_slice = blend_slice,
            .project_slice = project_slice,
            .rms_norm_back = rms_norm_back,
            .layer_norm_back = layer_norm_back,
            .rotate_back = rotate_back,
            .activate_back = activate_back,
            .gated_back = gated_back,
            .softcap_back = softcap_back,
            .softmax_back = softmax_back,
            .softmax_seed = softmax_seed};
}
