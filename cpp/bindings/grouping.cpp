#include <nanobind/stl/tuple.h>

#include <memory>
#include <tuple>
#include <utility>

#include "arrays.hpp"
#include "image_grouping.hpp"

namespace miniff::bindings {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class T, int... Shape>
using Made = nb::ndarray<nb::numpy, T, nb::shape<Shape...>, nb::c_contig>;

/// A numpy array that frees its numbers when it goes.
template <class T, int... Shape>
Made<T, Shape...> hand_over(std::vector<T>&& numbers) {
    constexpr std::size_t row = (1 * ... * static_cast<std::size_t>(Shape < 0 ? 1 : Shape));
    const std::size_t n = numbers.size() / row;
    auto kept = std::make_unique<std::vector<T>>(std::move(numbers));
    T* const first = kept->data();
    const nb::capsule owner(kept.get(),
                            [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    kept.release();
    return Made<T, Shape...>(first, {(Shape < 0 ? n : static_cast<std::size_t>(Shape))...}, owner);
}

using GroupedImages = std::tuple<Made<std::int64_t, -1>, Made<std::int32_t, -1>,
                                 Made<std::int32_t, -1>, Made<std::int32_t, -1, 3>>;

GroupedImages group_images(Array<const std::uint64_t, -1, 2> pairs,
                           Vectors<const std::int32_t> shifts, std::int64_t n_atoms) {
    demand(length(shifts) == length(pairs), "`pairs` and `shifts` differ in length");
    demand(n_atoms >= 0, "`n_atoms` must not be negative");
    const PairList list{n_atoms, length(pairs), pairs.data(), shifts.data()};
    // numpy asks for large pages: a large table takes a fifth less time than with new[].
    auto neighbor = nb::cast<Made<std::int32_t, -1>>(
        nb::module_::import_("numpy").attr("empty")(list.n_pairs, "int32"));
    std::vector<std::int64_t> start;
    Images images;
    {
        nb::gil_scoped_release released;
        start = count_by_centre(list);
        images = group_by_image(list, start, neighbor.data());
    }
    return {hand_over<std::int64_t, -1>(std::move(start)), neighbor,
            hand_over<std::int32_t, -1>(std::move(images.atom)),
            hand_over<std::int32_t, -1, 3>(std::move(images.shift))};
}

}  // namespace

void bind_grouping(nb::module_& m) {
    m.def("group_images", &group_images, "pairs"_a.noconvert(), "shifts"_a.noconvert(),
          "n_atoms"_a);
}

}  // namespace miniff::bindings
