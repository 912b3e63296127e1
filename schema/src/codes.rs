//! Code lists the rules look things up in: ISO 3166-1 alpha-3, ISO 639-3 and the country codes
//! inside the codice fiscale.

/// One code a line, ascending.
const COUNTRIES: &str = include_str!("../data/iso3166_alpha3.txt");
/// One code a line, ascending.
const LANGUAGES: &str = include_str!("../data/iso639_3.txt");
/// `iso3166_alpha3,belfiore` for the countries of origin that the reference data covers.
const BELFIORE: &str = include_str!("../data/belfiore_countries.csv");

/// Stateless, as ISO 3166-1 user-assigned code.
pub(crate) const STATELESS: &str = "XXA";
/// Citizenship unknown, as ISO 3166-1 user-assigned code.
pub(crate) const UNKNOWN: &str = "XXX";

/// Whether the code is a country, stateless or unknown.
pub(crate) fn is_citizenship(code: &str) -> bool {
    code == STATELESS || code == UNKNOWN || contains(COUNTRIES, code)
}

/// Whether the code is a language of ISO 639-3.
pub(crate) fn is_language(code: &str) -> bool {
    contains(LANGUAGES, code)
}

/// The country that a Belfiore code stands for, where the reference data has it.
pub(crate) fn country_of_belfiore(belfiore: &str) -> Option<&'static str> {
    BELFIORE
        .lines()
        .filter_map(|line| line.split_once(','))
        .find_map(|(country, code)| (code == belfiore).then_some(country))
}

/// Both lists hold three-letter codes, one a line, so that every line is four bytes long.
fn contains(list: &'static str, code: &str) -> bool {
    let (lines, _) = list.as_bytes().as_chunks::<4>();
    lines.binary_search_by(|line| line[..3].cmp(code.as_bytes())).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_lists_answer_their_first_last_and_none() {
        assert!(is_citizenship("ABW") && is_citizenship("ZWE") && is_citizenship("XXA"));
        assert!(!is_citizenship("XYZ") && !is_citizenship("IT") && !is_citizenship("ita"));
        assert!(is_language("aaa") && is_language("zzj") && is_language("ita"));
        assert!(!is_language("xx") && !is_language("ITA"));
        assert_eq!(country_of_belfiore("Z335"), Some("NGA"));
        assert_eq!(country_of_belfiore("D122"), None);
    }
}
