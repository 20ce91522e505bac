"""Short texts to measure a tokenizer by, written for this program: scripts, code, numbers, white space."""

from __future__ import annotations

SAMPLES: dict[str, str] = {
    "English": (
        "The lighthouse keeper wrote down the weather every morning, even when nothing had changed. "
        "Nobody read her notes until the storm took the bridge; then they turned out to be priceless. "
        "“It isn't luck,” she said, “it's just patience.”"
    ),
    "German": (
        "Die Straßenbahn hält gegenüber der Bücherei, aber sonntags fährt sie nur jede halbe Stunde. "
        "Wer früh aufsteht, hört die Vögel über den Dächern und riecht das frische Brot der Bäckerei."
    ),
    "Russian": (
        "Осенью мы собирали грибы и возвращались домой уже в сумерках. "
        "Бабушка топила печь, ставила чайник и спрашивала, не видели ли мы лосей у старой мельницы."
    ),
    "Greek": (
        "Το πλοίο φεύγει το πρωί για το νησί και γυρίζει πριν από το ηλιοβασίλεμα. "
        "Στην πλατεία οι γείτονες πίνουν καφέ και μιλούν για τον καιρό."
    ),
    "Arabic": (
        "في الصباح يفتح الخبّاز دكّانه قبل شروق الشمس، ويملأ الشارع برائحة الخبز الطازج. "
        "يقرأ الأطفال قصصًا قصيرة في المكتبة الجديدة قرب النهر."
    ),
    "Hebrew": (
        "בכל בוקר היא הולכת לאורך החוף ואוספת צדפים קטנים. "
        "הספרייה נפתחת בשעה תשע, והילדים מחכים בשקט ליד הדלת."
    ),
    "Hindi": (
        "बारिश के बाद गाँव की सड़कें चमक रही थीं और बच्चे काग़ज़ की नावें तैरा रहे थे। "
        "दादी ने अदरक वाली चाय बनाई और पुरानी कहानी फिर से सुनाई।"
    ),
    "Thai": (
        "ตอนเช้าแม่ค้าพายเรือมาขายผลไม้ที่ตลาดน้ำ "
        "เด็กๆ รอซื้อขนมก่อนไปโรงเรียน และแมวตัวหนึ่งนอนหลับอยู่ใต้โต๊ะไม้เก่า"
    ),
    "Chinese": (
        "清晨的集市上，老人把新摘的青菜摆得整整齐齐。" "孩子们背着书包跑过石桥，河水慢慢地流，雾气还没有散。"
    ),
    "Japanese": (
        "朝の電車はいつも混んでいるので、わたしは一本早い電車に乗ります。"
        "駅前のパン屋でコーヒーを買って、ゆっくり歩きます。"
    ),
    "Korean": (
        "아침마다 할머니는 마당을 쓸고 고양이에게 밥을 주신다. "
        "비가 오는 날에는 창가에 앉아 오래된 편지를 읽으신다."
    ),
    "Emoji": "👩‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇯🇵 ❤️‍🔥 🧑🏿‍🔬 1️⃣ 🦄✨ café ☕️ 👋🏻👋🏼👋🏽👋🏾👋🏿",
    "Python": (
        "def moving_average(values: list[float], window: int = 3) -> list[float]:\n"
        '    """Return the mean of each window."""\n'
        "    if window < 1:\n"
        '        raise ValueError(f"window must be positive, not {window}")\n'
        "    total, result = 0.0, []\n"
        "    for index, value in enumerate(values):\n"
        "        total += value - (values[index - window] if index >= window else 0)\n"
        "        result.append(total / min(index + 1, window))\n"
        "    return result\n"
    ),
    "C": (
        "#include <stdio.h>\n\n"
        "static int count_set_bits(unsigned long word) {\n"
        "    int bits = 0;\n"
        "    for (; word != 0; word &= word - 1)\n"
        "        bits++;  /* clears the lowest set bit */\n"
        "    return bits;\n"
        "}\n\n"
        'int main(void) {\n    printf("%d\\n", count_set_bits(0xFF00FFUL));\n    return 0;\n}\n'
    ),
    "JSON": (
        '{"id": 4711, "name": "Harbor café", "open": true, "tags": ["coffee", "books"],\n'
        ' "position": {"lat": 53.5461, "lon": 9.9665}, "rating": null, "hours": {"mon-fri": "07:30-18:00"}}\n'
    ),
    "Numbers": (
        "3.14159265358979 2,718,281 1969-07-20T20:17:40Z 0xDEADBEEF 6.02214076e23 +49 40 1234567 "
        "192.168.0.1 99.95 % 1/3 0.000001 1000000000 ٣٤٥ १२३ ４５６ Ⅻ ½"
    ),
    "White space": (
        "a b  c   d    e\tf\t\tg\n\nh\n" "    i\n        j\n            k\r\n\r\n  \n\u00a0l\u2003m\u3000n"
    ),
}
