//! The codice fiscale: 16 characters for persons, 11 digits for bodies and as a provisional code.
//!
//! Source: DM 23/12/1976; the provisional code is assigned by the Questura (AdE circular 8/2016) and
//! carries the plain check digit, without an office number.

/// A tax code with a right check character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaxCode {
    /// 16 characters, with omocodia decoded: letters in the place of digits turned back.
    Personal16(Particulars),
    /// 11 digits, as bodies and provisional codes have.
    Numeric11,
}

/// What a personal code says about the person. The century is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Particulars {
    /// Last two digits of the birth year.
    pub year: u8,
    /// Month of birth, 1 to 12.
    pub month: u8,
    /// Day of birth, 1 to 31.
    pub day: u8,
    /// Female, by the day of birth plus 40.
    pub female: bool,
    /// Belfiore code of the municipality or country of birth.
    pub place: String,
}

/// Letters that stand for the digits 0 to 9 in a code changed for omocodia.
const OMOCODIA: &[u8; 10] = b"LMNPQRSTUV";
/// Letters that stand for the months.
const MONTHS: &[u8; 12] = b"ABCDEHLMPRST";
/// Values of 0–9 and A–J, and of K–Z, at the odd positions, counted from one.
const ODD: [u16; 26] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

impl TaxCode {
    /// Reads a code, blanks trimmed and case ignored; `None` when it is malformed or its check
    /// character is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        match text.len() {
            16 => Self::personal(text.as_bytes()),
            11 => Self::numeric(text.as_bytes()),
            _ => None,
        }
    }

    fn personal(code: &[u8]) -> Option<Self> {
        let letters = |range: std::ops::Range<usize>| code[range].iter().all(u8::is_ascii_uppercase);
        if !(letters(0..6) && letters(11..12) && code[15] == check_letter(&code[..15])?) {
            return None;
        }
        let month = MONTHS.iter().position(|letter| *letter == code[8])? + 1;
        let day = number(&code[9..11])?;
        let female = day > 40;
        let day = if female { day - 40 } else { day };
        if !(1..=31).contains(&day) {
            return None;
        }
        let place = number(&code[12..15])?;
        Some(Self::Personal16(Particulars {
            year: u8::try_from(number(&code[6..8])?).ok()?,
            month: u8::try_from(month).ok()?,
            day: u8::try_from(day).ok()?,
            female,
            place: format!("{}{place:03}", char::from(code[11])),
        }))
    }

    fn numeric(code: &[u8]) -> Option<Self> {
        let mut sum = 0;
        for (index, byte) in code.iter().enumerate() {
            let digit = u32::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
            sum += match (index % 2, digit * 2) {
                (0, _) => digit,
                (_, double) if double > 9 => double - 9,
                (_, double) => double,
            };
        }
        let all_zero = code.iter().all(|byte| *byte == b'0');
        (sum % 10 == 0 && !all_zero).then_some(Self::Numeric11)
    }
}

/// The check letter of the first fifteen characters, computed on the code as written.
fn check_letter(code: &[u8]) -> Option<u8> {
    let mut sum = 0;
    for (index, byte) in code.iter().enumerate() {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A',
            _ => return None,
        };
        sum += if index % 2 == 0 { ODD[usize::from(value)] } else { u16::from(value) };
    }
    u8::try_from(sum % 26).ok().map(|rest| b'A' + rest)
}

/// A number written in digits or in the letters of omocodia.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => usize::from(byte - b'0'),
            _ => OMOCODIA.iter().position(|letter| letter == byte)?,
        };
        Some(number * 10 + u32::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: &str = include_str!("../../examples/data/tax_code_vectors.csv");

    #[test]
    fn every_vector_is_judged_as_the_reference_says() {
        let mut seen = 0;
        for line in VECTORS.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(TaxCode::parse(fields[0]).is_some(), fields[2] == "true", "{line}");
            seen += 1;
        }
        assert_eq!(seen, 17);
    }

    #[test]
    fn omocodia_is_decoded_before_the_particulars_are_read() {
        let plain = TaxCode::parse("HSSMNA01M65Z345L");
        assert_eq!(plain, TaxCode::parse("hssmnalmmsrzpqrj"));
        let Some(TaxCode::Personal16(code)) = plain else { panic!("a personal code") };
        assert_eq!((code.year, code.month, code.day, code.female), (1, 8, 25, true));
        assert_eq!(code.place, "Z345");
    }

    #[test]
    fn nothing_that_is_typed_makes_it_panic() {
        for text in ["", "🦀🦀🦀🦀", "ÀÀÀÀÀÀÀÀ", "RCCMNL83S18D969", "RCCMNL83S99D969H", "1234567890x"] {
            assert_eq!(TaxCode::parse(text), None, "{text}");
        }
    }
}
