//! Municipalities: reference data, loaded from the file ISTAT's lists are kept in.

use mongodb::bson::doc;
use serde::Deserialize;
use tavolo_schema::Municipality;

use crate::{Store, StoreError, document::document};

document! {
    pub(crate) MunicipalityDoc of Municipality in "municipalities" {
        istat_code as "_id", name, cadastral_code, postal_code, population, province,
    }
}

/// The flag of a database whose municipalities have been loaded to the last.
const LOADED: &str = "municipalities";

/// A row of `municipalities_kr.csv`.
#[derive(Deserialize)]
struct Row {
    istat_code: String,
    name: String,
    cadastral_code: String,
    postal_code: String,
    population_2011: i32,
    province: String,
}

impl Store {
    /// The municipality with an ISTAT code.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn municipality(&self, istat_code: &str) -> Result<Option<Municipality>, StoreError> {
        let found = self.find_all::<MunicipalityDoc>(doc! { "_id": istat_code }, doc! {}).await?;
        Ok(found.into_iter().next())
    }

    /// Loads municipalities as [`Store::load_municipalities`], unless some have been loaded before.
    ///
    /// # Errors
    ///
    /// As [`Store::load_municipalities`].
    pub async fn load_municipalities_once(&self, csv: impl std::io::Read + Send) -> Result<(), StoreError> {
        if !self.has_flag(LOADED).await? {
            self.load_municipalities(csv).await?;
        }
        Ok(())
    }

    /// Loads municipalities from CSV (`istat_code,name,cadastral_code,postal_code,population_2011,province`),
    /// replacing those of the same code, and tells how many.
    ///
    /// # Errors
    ///
    /// [`StoreError::ReferenceData`] for a file that cannot be read; nothing is written then.
    pub async fn load_municipalities(&self, csv: impl std::io::Read + Send) -> Result<usize, StoreError> {
        let rows: Vec<Row> = csv::Reader::from_reader(csv)
            .deserialize()
            .collect::<Result<_, _>>()
            .map_err(|error| StoreError::ReferenceData(error.to_string()))?;
        let count = rows.len();
        for row in rows {
            let municipality = Municipality {
                istat_code: row.istat_code,
                name: row.name,
                cadastral_code: row.cadastral_code,
                postal_code: row.postal_code,
                population: row.population_2011,
                province: row.province,
            };
            self.put::<MunicipalityDoc>(municipality.istat_code.as_str().into(), &municipality).await?;
        }
        self.set_flag(LOADED).await?;
        Ok(count)
    }
}
