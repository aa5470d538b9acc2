//! Numbers for names, in the order in which they appear.

use std::collections::HashMap;

/// Numbers for names.
pub(crate) struct Names {
    numbers: HashMap<Box<[u8]>, u32>,
    names: Vec<Box<[u8]>>,
    /// The number of the name asked for last: the next is often the same.
    last: Option<u32>,
    most: usize,
}

impl Names {
    /// No names yet, and `most` at most.
    pub(crate) fn new(most: usize) -> Names {
        Names {
            numbers: HashMap::new(),
            names: Vec::new(),
            last: None,
            most,
        }
    }

    /// The number of `name`; none if it is new and there are too many already.
    #[inline]
    pub(crate) fn number(&mut self, name: &[u8]) -> Option<u32> {
        if let Some(last) = self.last
            && *self.names[last as usize] == *name
        {
            return Some(last);
        }
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None if self.names.len() >= self.most.min(u32::MAX as usize) => return None,
            None => {
                let number = self.names.len() as u32;
                self.numbers.insert(name.into(), number);
                self.names.push(name.into());
                number
            }
        };
        self.last = Some(number);
        Some(number)
    }

    /// How many names there are.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }

    /// The name with a number.
    pub(crate) fn name(&self, number: u32) -> &[u8] {
        &self.names[number as usize]
    }
}
