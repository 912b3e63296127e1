//! Invented operators, facilities and people, from seeded randomness. Nobody here exists.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tavolo_schema::{
    Day, Organisation, OrganisationKind, PlaceCategory, Room,
    guest::{LegalStatus, RegisterGuestInput, Sex},
    id::OrganisationId,
    time::DateTime,
};

/// Citizenship, language, and names in use there.
struct Origin {
    country: &'static str,
    language: &'static str,
    surnames: [&'static str; 6],
    male: [&'static str; 5],
    female: [&'static str; 5],
}

const ORIGINS: [Origin; 6] = [
    Origin {
        country: "NGA",
        language: "eng",
        surnames: ["Okonkwo", "Adeyemi", "Balogun", "Eze", "Nwosu", "Ibrahim"],
        male: ["Chidi", "Emeka", "Tunde", "Yusuf", "Kelechi"],
        female: ["Ngozi", "Amaka", "Blessing", "Funke", "Halima"],
    },
    Origin {
        country: "AFG",
        language: "prs",
        surnames: ["Ahmadi", "Rahimi", "Karimi", "Noori", "Sahak", "Wardak"],
        male: ["Farid", "Jawad", "Mirwais", "Najib", "Zalmai"],
        female: ["Laila", "Parwana", "Shabnam", "Zahra", "Maryam"],
    },
    Origin {
        country: "PAK",
        language: "urd",
        surnames: ["Butt", "Chaudhry", "Khan", "Malik", "Qureshi", "Shah"],
        male: ["Adnan", "Bilal", "Hamza", "Imran", "Waqas"],
        female: ["Ayesha", "Fatima", "Hina", "Sana", "Zainab"],
    },
    Origin {
        country: "SOM",
        language: "som",
        surnames: ["Abdi", "Farah", "Hassan", "Jama", "Mohamud", "Warsame"],
        male: ["Abdullahi", "Ismail", "Liban", "Mahad", "Said"],
        female: ["Asha", "Fowsia", "Hodan", "Ifrah", "Sahra"],
    },
    Origin {
        country: "MLI",
        language: "bam",
        surnames: ["Coulibaly", "Diarra", "Keita", "Konaté", "Sissoko", "Traoré"],
        male: ["Amadou", "Boubacar", "Modibo", "Moussa", "Seydou"],
        female: ["Aminata", "Fatoumata", "Kadiatou", "Mariam", "Oumou"],
    },
    Origin {
        country: "UKR",
        language: "ukr",
        surnames: ["Bondarenko", "Kovalenko", "Melnyk", "Shevchuk", "Tkachenko", "Lysenko"],
        male: ["Andrii", "Bohdan", "Dmytro", "Oleh", "Taras"],
        female: ["Iryna", "Kateryna", "Oksana", "Olena", "Yuliia"],
    },
];

const OPERATORS: [&str; 5] = [
    "Cooperativa sociale Il Gelsomino",
    "Associazione Terre di Mezzo",
    "Cooperativa sociale Nuova Rotta",
    "Consorzio La Ginestra",
    "Cooperativa sociale Ponte Ionico",
];

const HOUSES: [&str; 12] = [
    "Casa Ulivo",
    "Casa Ginestra",
    "Casa Mandorlo",
    "Casa Alloro",
    "Casa Corbezzolo",
    "Casa Lentisco",
    "Casa Mirto",
    "Casa Oleandro",
    "Casa Rosmarino",
    "Casa Tamerice",
    "Casa Zagara",
    "Casa Sulla",
];

const STREETS: [&str; 8] = [
    "Via dei Mille",
    "Via Nazionale",
    "Corso Umberto I",
    "Via Roma",
    "Via Garibaldi",
    "Viale della Libertà",
    "Via San Francesco",
    "Contrada Serra",
];

/// A source of invented things. The same seed invents the same things.
#[derive(Debug)]
pub struct Inventor {
    random: StdRng,
    people: u64,
}

impl Inventor {
    /// An inventor with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), people: 0 }
    }

    /// A number below the bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.random.random_range(0..bound.max(1))
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.random.random_ratio(percent.min(100), 100)
    }

    /// One of several.
    pub fn one_of<'s, T>(&mut self, several: &'s [T]) -> Option<&'s T> {
        several.choose(&mut self.random)
    }

    /// An invented managing body. The first five have names of their own.
    pub fn operator(&mut self, number: usize, at: DateTime) -> Organisation {
        let name = OPERATORS
            .get(number)
            .map_or_else(|| format!("Cooperativa sociale {}", number + 1), |name| (*name).to_owned());
        let digits = format!("9{:09}", 900_000_000 + number);
        Organisation {
            id: OrganisationId::fresh(at),
            name,
            kind: OrganisationKind::ManagingBody,
            tax_code: Some(with_check_digit(&digits)),
            municipality: None,
            revision: 1,
        }
    }

    /// The name of a facility.
    pub fn house(&mut self, number: usize) -> String {
        let name = HOUSES[number % HOUSES.len()];
        match number / HOUSES.len() {
            0 => name.to_owned(),
            more => format!("{name} {}", more + 1),
        }
    }

    /// A street and civic number.
    pub fn street(&mut self) -> (String, String) {
        let street = STREETS[self.below(STREETS.len())];
        (street.to_owned(), (self.below(180) + 1).to_string())
    }

    /// Rooms that hold so many beds by every standard.
    pub fn rooms(&mut self, beds: i32) -> Vec<Room> {
        let mut rooms = Vec::new();
        let mut left = beds;
        while left > 0 {
            let beds = left.min(2 + i32::try_from(self.below(3)).unwrap_or(0));
            let letter = room_letter(rooms.len());
            let square_metres = if beds == 1 { 10.0 } else { 15.0 + 5.0 * f64::from(beds - 2) };
            rooms.push(Room { letter, beds, square_metres });
            left -= beds;
        }
        rooms
    }

    /// A person who fits a category of place.
    pub fn person(&mut self, category: PlaceCategory, today: Day) -> RegisterGuestInput {
        self.people += 1;
        let minor = category == PlaceCategory::UnaccompaniedMinor;
        let origin = &ORIGINS[self.below(ORIGINS.len())];
        let female = self.chance(if minor { 12 } else { 30 });
        let given = if female { origin.female[self.below(5)] } else { origin.male[self.below(5)] };
        let years = if minor { 15 + self.below(2) } else { 19 + self.below(36) };
        let days = i32::try_from(years * 365 + 10 + self.below(300)).unwrap_or(10_000);
        RegisterGuestInput {
            surname: origin.surnames[self.below(6)].to_owned(),
            given_names: given.to_owned(),
            sex: if female { Sex::F } else { Sex::M },
            birth_date: today.plus_days(-days),
            birth_date_precision: Default::default(),
            citizenships: vec![origin.country.to_owned()],
            languages: vec![origin.language.to_owned()],
            legal_status: self.legal_status(minor, origin.country),
            unaccompanied_minor: minor,
            special_need_documented: category == PlaceCategory::MentalHealthOrDisability,
            tax_code: None,
            cui_code: Some(format!("0X{:05X}{:03X}", self.people, self.random.next_u32() & 0xFFF)),
            vestanet_code: None,
            household: None,
        }
    }

    fn legal_status(&mut self, minor: bool, country: &str) -> LegalStatus {
        if minor {
            return LegalStatus::UnaccompaniedMinor;
        }
        if country == "UKR" {
            return LegalStatus::TemporaryProtection;
        }
        match self.below(10) {
            0..=4 => LegalStatus::AsylumApplicant,
            5 | 6 => LegalStatus::SubsidiaryProtection,
            7 | 8 => LegalStatus::Refugee,
            _ => LegalStatus::SpecialProtection,
        }
    }
}

/// A, B, …, Z, A2, B2, …
fn room_letter(index: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(index % 26).unwrap_or(0));
    match index / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{}", round + 1),
    }
}

/// Adds the check digit of an 11-digit code to its first ten.
#[must_use]
pub fn with_check_digit(ten: &str) -> String {
    let sum: u32 = ten
        .bytes()
        .enumerate()
        .map(|(index, byte)| match (index % 2, u32::from(byte - b'0')) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    format!("{ten}{}", (10 - sum % 10) % 10)
}
