"""An XMP packet of somebody else's with our face regions and keywords merged in.

What is ours: regions with our extension or description that nobody has named since, and keywords below the
prefix. Everything else stays as it is, also in its wording, and so does a region of somebody else over the same
face: ours is left out then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agebatch import __version__

NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "agebatch": "urn:agebatch:xmp:1/",
}
KEYWORD_LISTS = (("dc:subject", "|"), ("lr:hierarchicalSubject", "|"), ("digiKam:TagsList", "/"))
MARK = "agebatch: "
SAME_FACE = 0.5  # overlap (IoU) from which somebody else's region is about the same face
_BOM = "\ufeff"
_EMPTY = f"""<?xpacket begin="{_BOM}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="agebatch {__version__}">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""

Area = tuple[float, float, float, float]  # centre x, centre y, width, height; shares of the stored picture


@dataclass(frozen=True, slots=True)
class Region:
    """One face: where it is in the stored picture, what people read about it, and details for machines."""

    area: Area
    description: str
    details: dict[str, str]


def merge(
    old: bytes, regions: Sequence[Region], size: tuple[int, int], words: list[str], prefix: str
) -> bytes:
    """The XMP packet `old` (empty: a new one) with our regions and keywords replaced by these.

    size: of the stored picture in pixels; words: keywords with `|` between their levels, below `prefix`.
    Returns `old` itself where nothing changes. Raises ValueError where it is no XMP that can be merged safely.
    """
    tree = _parse(old or _EMPTY.encode())
    rdf = tree.getroot() if tree.getroot().tag == _name("rdf:RDF") else tree.find(f".//{_name('rdf:RDF')}")
    if rdf is None:
        raise ValueError("it holds no rdf:RDF")
    before = _text(tree)
    first = rdf.find(_name("rdf:Description"))
    about = "" if first is None else first.get(_name("rdf:about"), "")
    _drop_our_regions(rdf)
    _drop_our_keywords(rdf, prefix)
    _drop_empty(rdf)
    _add_regions(rdf, regions, size, about)
    _add_keywords(rdf, words, about)
    if rdf.find(_name("rdf:Description")) is None:
        _description(rdf, about)
    after = _text(tree)
    return old if after == before and old else after


def _name(short: str) -> str:
    prefix, name = short.split(":")
    return f"{{{NAMESPACES[prefix]}}}{name}"


def _parse(packet: bytes) -> Any:
    """The packet as a tree; entities are never expanded and nothing is fetched."""
    from lxml import etree  # noqa: PLC0415 - keeps other programs' prefixes, comments and packet marks

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        tree = etree.ElementTree(etree.fromstring(packet, parser))
    except etree.XMLSyntaxError as error:
        raise ValueError(f"it is not XML ({error.msg})") from error
    if tree.docinfo.doctype:
        raise ValueError("it declares a document type, which no XMP does")
    return tree


def _text(tree: Any) -> bytes:
    from lxml import etree  # noqa: PLC0415

    root = tree.getroot()
    parts = [*reversed(list(root.itersiblings(preceding=True))), root, *root.itersiblings()]
    # One a line: lxml forgets the line ends around the root, and programs look for the packet's marks there.
    return b"".join(etree.tostring(part, encoding="utf-8", with_tail=False) + b"\n" for part in parts)


def _description(rdf: Any, about: str, *needed: str) -> Any:
    """A new rdf:Description for our properties, which needs no change to the prefixes of the old ones."""
    from lxml import etree  # noqa: PLC0415

    made = etree.SubElement(rdf, _name("rdf:Description"), nsmap={name: NAMESPACES[name] for name in needed})
    made.set(_name("rdf:about"), about)
    return made


def _drop_our_regions(rdf: Any) -> None:
    lists = list(rdf.iter(_name("mwg-rs:RegionList")))
    items = [item for each in lists for item in each.iter(_name("rdf:li"))]
    ours = [item for item in items if _is_ours(item)]
    for item in ours:
        _drop(item)
    if ours and len(ours) == len(items):  # nobody else's stood there
        for holder in list(rdf.iter(_name("mwg-rs:Regions"))):
            _drop(holder)


def _drop_our_keywords(rdf: Any, prefix: str) -> None:
    for short, mark in KEYWORD_LISTS:
        for each in list(rdf.iter(_name(short))):
            items = list(each.iter(_name("rdf:li")))
            ours = [item for item in items if (item.text or "").startswith(prefix + mark)]
            for item in ours:
                _drop(item)
            if ours and len(ours) == len(items):
                _drop(each)


def _drop_empty(rdf: Any) -> None:
    """Descriptions that hold nothing, as ours do now."""
    for each in rdf.findall(_name("rdf:Description")):
        if not len(each) and set(each.attrib) <= {_name("rdf:about")}:
            _drop(each)


def _add_regions(rdf: Any, regions: Sequence[Region], size: tuple[int, int], about: str) -> None:
    """Ours beside those of others, but where one of them is about the same face."""
    items = [item for each in rdf.iter(_name("mwg-rs:RegionList")) for item in each.iter(_name("rdf:li"))]
    faces = [item for item in items if _field(item, "mwg-rs:Type") in (None, "", "Face")]
    theirs = [area for area in map(_area_of, faces) if area]
    ours = [region for region in regions if all(_iou(region.area, other) < SAME_FACE for other in theirs)]
    if ours:
        bag = _region_bag(rdf, size, about)
        for region in ours:
            _add_region(bag, region)


def _region_bag(rdf: Any, size: tuple[int, int], about: str) -> Any:
    """The rdf:Bag that regions go into, made where it is missing."""
    from lxml import etree  # noqa: PLC0415

    holder = next(rdf.iter(_name("mwg-rs:Regions")), None)
    if holder is not None:
        found = next(rdf.iter(_name("mwg-rs:RegionList")), None)
        if found is None:
            inner = holder.find(_name("rdf:Description"))
            found = etree.SubElement(holder if inner is None else inner, _name("mwg-rs:RegionList"))
        bag = found.find(_name("rdf:Bag"))
        return etree.SubElement(found, _name("rdf:Bag")) if bag is None else bag
    holder = etree.SubElement(
        _description(rdf, about, "mwg-rs", "stDim", "stArea", "agebatch"), _name("mwg-rs:Regions")
    )
    holder.set(_name("rdf:parseType"), "Resource")
    applied = etree.SubElement(holder, _name("mwg-rs:AppliedToDimensions"))
    for name, value in zip(("w", "h", "unit"), (*size, "pixel"), strict=True):
        applied.set(_name(f"stDim:{name}"), str(value))
    return etree.SubElement(etree.SubElement(holder, _name("mwg-rs:RegionList")), _name("rdf:Bag"))


def _add_region(bag: Any, region: Region) -> None:
    from lxml import etree  # noqa: PLC0415

    item = etree.SubElement(bag, _name("rdf:li"))
    item.set(_name("rdf:parseType"), "Resource")
    shape = etree.SubElement(item, _name("mwg-rs:Area"))
    for name, value in zip("xywh", region.area, strict=True):
        shape.set(_name(f"stArea:{name}"), f"{value:.6f}")
    shape.set(_name("stArea:unit"), "normalized")
    etree.SubElement(item, _name("mwg-rs:Type")).text = "Face"
    etree.SubElement(item, _name("mwg-rs:Description")).text = region.description
    extensions = etree.SubElement(item, _name("mwg-rs:Extensions"))
    extensions.set(_name("rdf:parseType"), "Resource")
    for name, value in region.details.items():
        etree.SubElement(extensions, _name(f"agebatch:{name}")).text = value


def _is_ours(item: Any) -> bool:
    if _field(item, "mwg-rs:Name"):
        return False
    marked = any(str(each.tag).startswith(f"{{{NAMESPACES['agebatch']}}}") for each in item.iter("*"))
    return marked or (_field(item, "mwg-rs:Description") or "").startswith(MARK)


def _field(item: Any, short: str) -> str | None:
    """A property of a structure, in any of RDF's forms: attribute or element, in the item or one level below."""
    name = _name(short)
    for holder in (item, item.find(_name("rdf:Description"))):
        if holder is None:
            continue
        if name in holder.attrib:
            return str(holder.attrib[name])
        element = holder.find(name)
        if element is not None:
            return "".join(element.itertext()).strip()
    return None


def _area_of(item: Any) -> Area | None:
    shape = next(item.iter(_name("mwg-rs:Area")), None)
    if shape is None:
        return None
    try:
        x, y, w, h = (float(_field(shape, f"stArea:{name}") or "nan") for name in "xywh")
    except ValueError:
        return None
    return x, y, w, h


def _iou(a: Area, b: Area) -> float:
    def shared(i: int) -> float:
        low = max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2)
        return max(0.0, min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - low)

    both = shared(0) * shared(1)
    return both / max(a[2] * a[3] + b[2] * b[3] - both, 1e-12)


def _add_keywords(rdf: Any, words: list[str], about: str) -> None:
    """Our keywords into each list of keywords that there is.

    digiKam reads only the first of TagsList, hierarchicalSubject and subject: so a list that isn't there yet is
    made only where it hides nobody's keywords.
    """
    from lxml import etree  # noqa: PLC0415

    if not words:
        return
    found = {short: next(rdf.iter(_name(short)), None) for short, _ in KEYWORD_LISTS}
    alone = all(each is None for each in found.values())
    made = None
    for short, mark in KEYWORD_LISTS:
        where = found[short]
        if where is None and not alone and short != "dc:subject":
            continue
        if where is None:
            if made is None:
                made = _description(rdf, about, *(name.split(":")[0] for name, _ in KEYWORD_LISTS))
            where = etree.SubElement(made, _name(short))
        bag = next((each for each in where if each.tag in (_name("rdf:Bag"), _name("rdf:Seq"))), None)
        if bag is None:
            bag = etree.SubElement(where, _name("rdf:Seq" if short == "digiKam:TagsList" else "rdf:Bag"))
        for word in words:
            etree.SubElement(bag, _name("rdf:li")).text = word.replace("|", mark)


def _drop(element: Any) -> None:
    """Remove an element, not the text behind it."""
    parent, before = element.getparent(), element.getprevious()
    if element.tail and element.tail.strip():
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
    parent.remove(element)
