import datetime
import unittest

import almanac


class Weekday(unittest.TestCase):
    def test_a_day_has_a_weekday(self):
        self.assertEqual(almanac.weekday(datetime.date(2024, 2, 29)), "Thursday")


if __name__ == "__main__":
    unittest.main()
