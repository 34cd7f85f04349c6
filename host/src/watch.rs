//! What a watch tells, as hosts say it.

use serde_json::Value;
use weir_protocol::model::Identifier;
use weir_verifier::json;
use weir_walk::watch::{Cursor, Filter, Kind, Level, Start, WatchOptions};

use crate::HostError;

/// What a watch tells, as JSON: `{level?, after?, kinds?, roles?, node_ids?, block_ids?}`; `after` is a
/// height or a cursor, a kind `epoch`, `version` or `identity`.
#[derive(Clone, Copy, Debug)]
pub struct WatchFields<'a>(pub &'a Value);

impl<'a> WatchFields<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// When a field is not what it should be.
    pub fn read(self) -> Result<WatchOptions, HostError> {
        let mut options = WatchOptions::default();
        let text = |name: &str| self.0.get(name).and_then(Value::as_str);
        if let Some(level) = text("level") {
            options.level = level.parse::<Level>().map_err(|error| HostError::usage(&error))?;
        }
        options.start = match self.0.get("after") {
            None | Some(Value::Null) => Start::Latest,
            Some(Value::String(cursor)) => {
                let cursor = cursor.parse::<Cursor>();
                Start::After(cursor.map_err(|error| HostError::usage(&error))?)
            }
            Some(height) => Start::Height(height.as_u64().ok_or_else(|| {
                HostError::usage(&"a watch goes on `after` a height or an event's cursor")
            })?),
        };
        options.filter = self.filter()?;
        options.block_ids = self.ids("block_ids")?;
        Ok(options)
    }

    fn filter(self) -> Result<Filter, HostError> {
        let mut filter = Filter::default();
        if let Some(kinds) = self.0.get("kinds").and_then(Value::as_array) {
            filter = Filter::nothing();
            for kind in kinds {
                filter = filter.kind(match kind.as_str() {
                    Some("epoch") => Kind::Epoch,
                    Some("version") => Kind::Version,
                    Some("identity") => Kind::Identity,
                    _ => {
                        let names = "a kind is `epoch`, `version` or `identity`";
                        return Err(HostError::usage(&names));
                    }
                });
            }
        }
        for role in self.list("roles") {
            let role = role.as_str().and_then(|role| role.parse().ok());
            filter = filter.role(role.ok_or_else(|| HostError::usage(&"a role has a name"))?);
        }
        Ok(self.ids("node_ids")?.into_iter().fold(filter, Filter::node))
    }

    fn ids(self, name: &str) -> Result<Vec<Identifier>, HostError> {
        let id = |id: &Value| Ok(json::identifier(id.as_str().unwrap_or_default())?);
        self.list(name).map(id).collect()
    }

    fn list(self, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.0.get(name).and_then(Value::as_array).into_iter().flatten()
    }
}
