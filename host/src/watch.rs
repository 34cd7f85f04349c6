//! What a watch tells, as hosts say it.

use serde_json::Value;
use weir_protocol::model::Identifier;
use weir_verifier::json;
use weir_walk::watch::{Cursor, Filter, Kind, Level, Start, WatchOptions};

use crate::HostError;
use crate::fields::Fields;

/// What a watch tells, as JSON: `{level?, after?, kinds?, roles?, node_ids?, block_ids?}`; `after` is a
/// height or a cursor, a kind `epoch`, `version` or `identity`.
#[derive(Clone, Copy, Debug)]
pub struct WatchFields<'a>(pub &'a Value);

impl WatchFields<'_> {
    /// Reads them.
    ///
    /// # Errors
    /// When a field is not what it should be.
    pub fn read(self) -> Result<WatchOptions, HostError> {
        let names = ["level", "after", "kinds", "roles", "node_ids", "block_ids"];
        let fields = Fields::read(self.0, "a watch", &names)?;
        let mut options = WatchOptions::default();
        if let Some(level) = fields.text("level")? {
            options.level = level.parse::<Level>().map_err(|error| HostError::usage(&error))?;
        }
        options.start = match fields.get("after") {
            None => Start::Latest,
            Some(Value::String(cursor)) => {
                let cursor = cursor.parse::<Cursor>();
                Start::After(cursor.map_err(|error| HostError::usage(&error))?)
            }
            Some(height) => Start::Height(height.as_u64().ok_or_else(|| {
                HostError::usage(&"a watch goes on `after` a height or an event's cursor")
            })?),
        };
        options.filter = filter(fields)?;
        options.block_ids = ids(fields, "block_ids")?;
        Ok(options)
    }
}

fn filter(fields: Fields<'_>) -> Result<Filter, HostError> {
    let mut filter = Filter::default();
    if fields.get("kinds").is_some() {
        filter = Filter::nothing();
    }
    for kind in fields.list("kinds")? {
        filter = filter.kind(match kind.as_str() {
            Some("epoch") => Kind::Epoch,
            Some("version") => Kind::Version,
            Some("identity") => Kind::Identity,
            _ => return Err(HostError::usage(&"a kind is `epoch`, `version` or `identity`")),
        });
    }
    for role in fields.list("roles")? {
        let role = role.as_str().and_then(|role| role.parse().ok());
        filter = filter.role(role.ok_or_else(|| HostError::usage(&"a role has a name"))?);
    }
    Ok(ids(fields, "node_ids")?.into_iter().fold(filter, Filter::node))
}

fn ids(fields: Fields<'_>, name: &str) -> Result<Vec<Identifier>, HostError> {
    let id = |id: &Value| Ok(json::identifier(id.as_str().unwrap_or_default())?);
    fields.list(name)?.iter().map(id).collect()
}
