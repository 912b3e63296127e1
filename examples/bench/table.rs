//! Measured values, and the table they are printed in.

use std::fmt;

/// Values of one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

impl Samples {
    /// The value that so many hundredths of all values do not exceed.
    fn percentile(&self, hundredths: usize) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        self.0.get((last * hundredths + 50) / 100).copied()
    }

    /// The value that one in twenty exceeds, where there are enough values to say so.
    fn p95(&self) -> Option<f64> {
        self.percentile(95).filter(|_| self.0.len() >= 20)
    }
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) samples: Samples,
    /// The median that is to be reached.
    pub(crate) goal: Option<f64>,
    /// The ratio that is to be reached.
    pub(crate) ratio: Option<f64>,
    /// What the ratio is to.
    pub(crate) reference: Option<(&'static str, Samples)>,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, samples: Samples) -> Self {
        Self { what: what.into(), unit, samples, goal: None, ratio: None, reference: None }
    }

    pub(crate) fn goal(self, goal: f64) -> Self {
        Self { goal: Some(goal), ..self }
    }

    pub(crate) fn ratio(self, ratio: f64) -> Self {
        Self { ratio: Some(ratio), ..self }
    }

    pub(crate) fn reference(self, what: &'static str, samples: &Samples) -> Self {
        Self { reference: Some((what, samples.clone())), ..self }
    }

    fn show(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "–".into(), |value| format!("{} {}", number(value), self.unit).trim_end().to_owned())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, p95) = (self.samples.percentile(50), self.samples.p95());
        let (against, ratio) = match &self.reference {
            None => ("–".into(), "–".into()),
            Some((what, samples)) => {
                let of = samples.percentile(50);
                let ratio = median.zip(of).filter(|(_, of)| *of > 0.0).map(|(median, of)| median / of);
                (format!("{what}: {}", self.show(of)), ratio.map_or_else(|| "–".into(), number))
            }
        };
        let goal = match (self.goal, self.ratio) {
            (Some(goal), _) if goal > 0.0 => format!("≤ {}", self.show(Some(goal))),
            (None, Some(ratio)) => format!("ratio ≤ {}", number(ratio)),
            (goal, _) => self.show(goal),
        };
        let (median, p95) = (self.show(median), self.show(p95));
        writeln!(f, "| {} | {median} | {p95} | {goal} | {against} | {ratio} |", self.what)
    }
}

/// About three digits that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        whole if whole == whole.round() || whole >= 100.0 => format!("{value:.0}"),
        tens if tens >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Everything measured.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// Takes a line, and shows it at once to whoever waits.
    pub(crate) fn add(&mut self, row: Row) {
        eprint!("{row}");
        self.0.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n| Measured | Median | p95 | Goal | Reference (median) | Ratio |\n|---|---|---|---|---|---|")?;
        self.0.iter().try_for_each(|row| row.fmt(f))
    }
}
