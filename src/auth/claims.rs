//! What a token has to say beside its signature: what kind it is, for whom, and for how long.

use clap::Args;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use tavolo_schema::DateTime;

use super::Refusal;

/// What is demanded of tokens.
#[derive(Args, Clone, Debug)]
pub struct Demands {
    /// Demand this `iss` of tokens.
    #[arg(long, env = "TAVOLO_ISSUER")]
    pub issuer: Option<String>,
    /// Demand this `aud` of tokens.
    #[arg(long, env = "TAVOLO_AUDIENCE")]
    pub audience: Option<String>,
    /// Demand this `typ` of tokens, such as `at+jwt` (RFC 9068). Otherwise it is `JWT`, `at+jwt` or not said.
    #[arg(long, env = "TAVOLO_TOKEN_TYPE", value_name = "TYPE")]
    pub token_type: Option<String>,
    /// Hours that a token may be good for at most, from when it was made and from now.
    #[arg(long, env = "TAVOLO_TOKEN_LIFE", default_value_t = LIFE_HOURS, value_name = "HOURS",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub token_life: u32,
}

/// A week, which is as long as the demonstration's tokens are good for.
const LIFE_HOURS: u32 = 7 * 24;

/// The kinds of token that say who asks, when none is demanded.
const USUAL_TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// Clocks may differ by this much.
const LEEWAY_MILLIS: i64 = 30_000;

impl Default for Demands {
    fn default() -> Self {
        Self { issuer: None, audience: None, token_type: None, token_life: LIFE_HOURS }
    }
}

impl Demands {
    /// What tells tokens that were made for others apart and is not demanded; none when all of it is.
    pub(crate) fn undemanded(&self) -> Option<&'static str> {
        match (&self.issuer, &self.audience) {
            (None, None) => Some("issuer and audience are"),
            (None, Some(_)) => Some("an issuer is"),
            (Some(_), None) => Some("an audience is"),
            (Some(_), Some(_)) => None,
        }
    }

    /// Looks at a token's head. What it calls critical is not understood here, whatever it is (RFC 7515 section 4.1.11).
    pub(super) fn accept(&self, header: &Header) -> Result<(), Refusal> {
        let wanted = match (header.typ.as_deref().map(media_type), &self.token_type) {
            (Some(named), Some(demanded)) => named == media_type(demanded),
            (Some(named), None) => USUAL_TYPES.contains(&named.as_str()),
            (None, demanded) => demanded.is_none(),
        };
        if wanted && header.crit.is_none() { Ok(()) } else { Err(Refusal::Invalid) }
    }

    /// Times are judged by our own clock, everything else by the library.
    pub(super) fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.validate_aud = self.audience.is_some();
        validation.set_required_spec_claims(&["exp", "sub"]);
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".into());
        }
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".into());
        }
        validation
    }

    fn longest_millis(&self) -> i64 {
        i64::from(self.token_life) * 3_600_000
    }
}

/// A `typ` as it is compared: without case, and without the prefix that may be left out (RFC 7515 section 4.1.9).
fn media_type(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    text.strip_prefix("application/").map(str::to_owned).unwrap_or(text)
}

/// What is read of a token.
#[derive(Clone, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    exp: NumericDate,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    /// Scopes, separated by spaces (RFC 9068 section 2.2.3).
    pub(super) scope: Option<String>,
    /// Only ID tokens say what other token they were given with (OpenID Connect Core section 3.3.2.11).
    at_hash: Option<IgnoredAny>,
    c_hash: Option<IgnoredAny>,
    /// Only security events, such as a logout, have these (RFC 8417 section 2.2).
    events: Option<IgnoredAny>,
}

impl Claims {
    /// Whether it is of a kind that says who asks, as far as claims tell.
    pub(super) fn are_of_access(&self) -> bool {
        self.at_hash.is_none() && self.c_hash.is_none() && self.events.is_none()
    }

    /// When the token's time is over, if it is not and has come.
    pub(super) fn judge(&self, demands: &Demands, now: DateTime) -> Result<DateTime, Refusal> {
        let (end, longest) = (self.exp.0, demands.longest_millis());
        let made = self.iat.map_or(now, |made| made.0.min(now));
        if end.plus_millis(LEEWAY_MILLIS) < now || self.nbf.is_some_and(|from| from.0 > now.plus_millis(LEEWAY_MILLIS))
        {
            return Err(Refusal::Expired);
        }
        if end > made.plus_millis(longest).plus_millis(LEEWAY_MILLIS) {
            return Err(Refusal::TooLong);
        }
        Ok(end)
    }
}

/// Seconds since 1970, with a fraction or without (RFC 7519 section 2), within the calendar.
#[derive(Clone, Copy)]
struct NumericDate(DateTime);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The cast saturates, so a number beyond the calendar stays beyond it.
        let millis = (f64::deserialize(deserializer)? * 1_000.0) as i64;
        DateTime::from_millis(millis).map(Self).ok_or_else(|| serde::de::Error::custom("beyond the calendar"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_795_420_800;

    fn now() -> DateTime {
        DateTime::from_millis(NOW * 1_000).unwrap()
    }

    fn judged(times: Value) -> Option<Result<DateTime, Refusal>> {
        let mut claims = json!({ "sub": "somebody" });
        claims.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        let claims: Claims = serde_json::from_str(&claims.to_string()).ok()?;
        Some(claims.judge(&Demands::default(), now()))
    }

    #[test]
    fn a_token_has_a_time_that_may_have_a_fraction_and_is_within_the_calendar() {
        let at = |millis| Some(Ok(DateTime::from_millis(millis).unwrap()));
        assert_eq!(judged(json!({ "exp": NOW + 60 })), at((NOW + 60) * 1_000));
        assert_eq!(judged(json!({ "exp": NOW as f64 + 60.5 })), at((NOW + 60) * 1_000 + 500));
        assert_eq!(judged(json!({ "exp": NOW - 30 })), at((NOW - 30) * 1_000), "clocks may differ");
        for times in [
            json!({ "exp": NOW - 31 }),
            json!({ "exp": -1 }),
            json!({ "exp": NOW + 60, "nbf": NOW + 31 }),
            json!({ "exp": NOW + 60, "nbf": NOW as f64 + 30.5 }),
        ] {
            assert_eq!(judged(times.clone()), Some(Err(Refusal::Expired)), "{times}");
        }
        for wrong in
            [json!(i64::MAX), json!(i64::MIN), json!(u64::MAX), json!(1e300), json!("1"), json!([1]), json!({})]
        {
            for name in ["exp", "nbf", "iat"] {
                let mut times = json!({ "exp": NOW + 60 });
                times[name] = wrong.clone();
                assert!(judged(times).is_none(), "{name}: {wrong}");
            }
        }
        assert!(judged(json!({})).is_none(), "a token without an end");
    }

    #[test]
    fn a_token_is_good_for_a_week_at_most_from_when_it_was_made_and_from_now() {
        let week = 7 * 24 * 3_600;
        let long = Some(Err(Refusal::TooLong));
        assert!(judged(json!({ "exp": NOW + week })).unwrap().is_ok());
        assert!(judged(json!({ "exp": NOW + week, "iat": NOW })).unwrap().is_ok());
        assert_eq!(judged(json!({ "exp": NOW + week + 60 })), long);
        assert_eq!(judged(json!({ "exp": NOW + 3_600, "iat": NOW - week })), long, "it is nearly over");
        assert_eq!(judged(json!({ "exp": NOW + 2 * week, "iat": NOW + 2 * week - 60 })), long, "made tomorrow");
    }

    #[test]
    fn a_head_names_a_kind_that_is_taken_and_nothing_critical() {
        let header = |head: Value| serde_json::from_value::<Header>(head);
        let accepted = |token_type: Option<&str>, mut head: Value| {
            head["alg"] = json!("ES256");
            let demands = Demands { token_type: token_type.map(Into::into), ..Demands::default() };
            header(head).is_ok_and(|header| demands.accept(&header).is_ok())
        };
        for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"] {
            assert!(accepted(None, json!({ "typ": typ })), "{typ}");
        }
        assert!(accepted(None, json!({})));
        for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt", "JOSE", "application/", "", "id+jwt"] {
            assert!(!accepted(None, json!({ "typ": typ })), "{typ}");
        }
        for demanded in ["at+jwt", "application/AT+JWT"] {
            assert!(accepted(Some(demanded), json!({ "typ": "at+jwt" })));
            assert!(!accepted(Some(demanded), json!({ "typ": "JWT" })) && !accepted(Some(demanded), json!({})));
        }
        for crit in [json!(["x"]), json!(["b64"]), json!(["exp"]), json!([]), json!("x"), json!([1])] {
            assert!(!accepted(None, json!({ "typ": "JWT", "crit": crit, "b64": false, "x": 1 })), "{crit}");
        }
    }

    #[test]
    fn id_tokens_and_security_events_do_not_say_who_asks() {
        let of_access = |more: Value| {
            let mut claims = json!({ "sub": "somebody", "exp": NOW });
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<Claims>(claims).unwrap().are_of_access()
        };
        assert!(of_access(json!({ "scope": "openid", "client_id": "x", "jti": "1", "nonce": "n" })));
        let logout = json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } });
        for other in [json!({ "at_hash": "x" }), json!({ "c_hash": "x" }), logout] {
            assert!(!of_access(other.clone()), "{other}");
        }
    }
}
