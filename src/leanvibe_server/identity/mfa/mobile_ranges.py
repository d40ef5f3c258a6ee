"""Which numbers of a country are mobile telephones.

What else a country numbers charges whoever writes to it, belongs to nobody in particular, or
receives no messages: premium, shared-cost, personal and corporate numbers, pagers, landlines.
Source: ITU-T E.129, national numbering plans, as of 2024; NANPA, "Area Code Map" and "Easily
Recognizable Codes".
"""

# How national numbers begin after the country code. Denmark numbers landlines and mobiles alike.
_TABLE = """
30 685-689 69
31 61-65 68
32 45-49
33 6 73-79
34 6 71-74
351 91-93 96
352 62 65-69
353 82 83 85-89
354 61-69 75-79 82-86 88 89
356 72 77 79 92 96 98 99
357 910 94-97 99
358 40-48 50
359 87-89 98 996 999
36 20 30 31 50 70
370 6
371 2
372 5 81-84
385 91 92 95 97-99
386 30 31 40 41 43 49 51 64 65 68-71
39 32-39
40 70-79
41 75-79
420 601-608 702-705 72 73 77 79
421 901-909 91 94 95
423 64-66 73-79
43 650-653 655 657 659-661 663-669 67-69
44 71-75 77-79
45 2-7 81 82 86-89 91-94 96-99
46 70 72 73 76 79
47 40 41 45-48 9
48 45 50 51 53 57 60 66 69 72 73 78 79 88
49 15 160 162 163 17
61 4
"""
# Of the twenty-odd countries behind +1 only the United States and Canada are meant by it.
_NORTH_AMERICAN_ISLANDS = tuple(
    str(code)
    for code in (
        242, 246, 264, 268, 284, 345, 441, 473, 649, 658, 664, 721, 758, 767, 784, 809, 829, 849,
        868, 869, 876,
    )
)  # fmt: skip


def _expand(part: str) -> list[str]:
    first, _, last = part.partition("-")
    return [str(number) for number in range(int(first), int(last or first) + 1)]


MOBILE = {
    code: tuple(start for part in parts for start in _expand(part))
    for code, *parts in (line.split() for line in _TABLE.strip().splitlines())
}


def may_be_mobile(number: str) -> bool:
    """Whether a number in E.164 may be a mobile telephone. Of countries that are not in the table
    every number may be: the operator has added them knowingly."""
    digits = number.removeprefix("+")
    if digits.startswith("1"):
        return _is_north_american(digits[1:])
    for length in (3, 2):
        if (starts := MOBILE.get(digits[:length])) is not None:
            return digits[length:].startswith(starts)
    return True


def _is_north_american(national: str) -> bool:
    area = national[:3]
    # Codes that repeat their digit are for services, such as 800 and 900; 521 to 529 are personal
    # numbers, and 710 is the government's.
    special = area[1:2] == area[2:3] or "521" <= area <= "529" or area == "710"
    return len(national) == 10 and not special and area not in _NORTH_AMERICAN_ISLANDS
