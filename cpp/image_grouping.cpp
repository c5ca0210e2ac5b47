#include "image_grouping.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace miniff {

namespace {

constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();

struct Image {
    std::int32_t atom;
    std::int32_t shift[3];

    bool operator==(const Image& b) const {
        return atom == b.atom && shift[0] == b.shift[0] && shift[1] == b.shift[1] &&
               shift[2] == b.shift[2];
    }
};

/// Numbers images from `first` on as they are met: a hash table with open addressing. (A list of
/// images per atom would be quadratic in a cell much smaller than the cutoff.)
class ImageNumbers {
public:
    explicit ImageNumbers(std::int64_t first) : first_(first) {}

    std::int32_t of(const Image& image) {
        std::size_t slot = home(image);
        for (; slots_[slot] != vacant; slot = (slot + 1) & (slots_.size() - 1))
            if (met_[static_cast<std::size_t>(slots_[slot])] == image)
                return static_cast<std::int32_t>(first_ + slots_[slot]);
        return add(image, slot);
    }

    const std::vector<Image>& met() const { return met_; }

private:
    static constexpr std::int32_t vacant = -1;

    /// The upper bits of a product depend on all bits of its factors.
    std::size_t home(const Image& image) const {
        const std::uint64_t a = join(image.atom, image.shift[0]);
        const std::uint64_t b = join(image.shift[1], image.shift[2]) * 0x9E3779B97F4A7C15u;
        return static_cast<std::size_t>(((a ^ (b >> 32 | b << 32)) * 0xD6E8FEB86659FD93u) >>
                                        (64 - bits_));
    }

    static std::uint64_t join(std::int32_t low, std::int32_t high) {
        return static_cast<std::uint32_t>(low) |
               static_cast<std::uint64_t>(static_cast<std::uint32_t>(high)) << 32;
    }

    std::int32_t add(const Image& image, std::size_t slot) {
        const std::int64_t number = first_ + static_cast<std::int64_t>(met_.size());
        if (number >= most) throw std::invalid_argument("more images than 32-bit indices can name");
        slots_[slot] = static_cast<std::int32_t>(met_.size());
        met_.push_back(image);
        if (2 * met_.size() > slots_.size()) grow();
        return static_cast<std::int32_t>(number);
    }

    void grow() {
        bits_ += 2;
        slots_.assign(std::size_t{1} << bits_, vacant);
        for (std::size_t m = 0; m < met_.size(); ++m) {
            std::size_t slot = home(met_[m]);
            while (slots_[slot] != vacant) slot = (slot + 1) & (slots_.size() - 1);
            slots_[slot] = static_cast<std::int32_t>(m);
        }
    }

    std::int64_t first_;
    int bits_ = 8;
    std::vector<std::int32_t> slots_ = std::vector<std::int32_t>(std::size_t{1} << bits_, vacant);
    std::vector<Image> met_;
};

/// The atoms themselves, then the images met.
Images list_images(std::int64_t n_atoms, const std::vector<Image>& met) {
    const auto n = static_cast<std::size_t>(n_atoms);
    Images images{std::vector<std::int32_t>(n + met.size()),
                  std::vector<std::int32_t>(3 * (n + met.size()))};
    for (std::size_t i = 0; i < n; ++i) images.atom[i] = static_cast<std::int32_t>(i);
    for (std::size_t m = 0; m < met.size(); ++m) {
        images.atom[n + m] = met[m].atom;
        std::copy_n(met[m].shift, 3, images.shift.data() + 3 * (n + m));
    }
    return images;
}

}  // namespace

std::vector<std::int64_t> count_by_centre(const PairList& list) {
    if (list.n_atoms > most) throw std::invalid_argument("more atoms than 32-bit indices can name");
    const auto n = static_cast<std::uint64_t>(list.n_atoms);
    std::vector<std::int64_t> start(n + 1);
    for (std::int64_t p = 0; p < list.n_pairs; ++p) {
        const std::uint64_t i = list.pairs[2 * p], j = list.pairs[2 * p + 1];
        if (i >= n || j >= n)
            throw std::invalid_argument("a pair names an atom that does not exist");
        ++start[i + 1];
    }
    for (std::size_t i = 0; i < n; ++i) start[i + 1] += start[i];
    return start;
}

Images group_by_image(const PairList& list, std::vector<std::int64_t>& start,
                      std::int32_t* neighbor) {
    ImageNumbers numbers(list.n_atoms);
    // start[i] walks from the first to one past the last pair of i while they are placed ...
    for (std::int64_t p = 0; p < list.n_pairs; ++p) {
        const std::int32_t* s = list.shifts + 3 * p;
        const auto j = static_cast<std::int32_t>(list.pairs[2 * p + 1]);
        const bool moved = (s[0] | s[1] | s[2]) != 0;
        neighbor[start[list.pairs[2 * p]]++] = moved ? numbers.of({j, {s[0], s[1], s[2]}}) : j;
    }
    // ... and is then where the next centre begins.
    start.pop_back();
    start.insert(start.begin(), 0);
    return list_images(list.n_atoms, numbers.met());
}

}  // namespace miniff
