//! What is wrong is refused with the field and the sentence.
